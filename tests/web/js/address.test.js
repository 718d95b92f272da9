import assert from "node:assert/strict";
import test from "node:test";
import { Address } from "../../../nonlocal_viz/canvas/address.js";
import { browser } from "./fakes.js";

const query = (text) => new URLSearchParams(text);
function sayer(search = "", ours = true) {
  const page = browser(search), backs = [];
  return { page, backs, address: new Address(ours, (asked) => backs.push(asked)) };
}

test("the address is told at once, then at most now and then, and of many the last", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { page, address } = sayer();
  for (const x of [1, 2, 3]) address.say(() => query(`x=${x}`));
  assert.deepEqual(page.states, ["http://here/?x=1"]);
  t.mock.timers.tick(399);
  assert.equal(page.states.length, 1);
  t.mock.timers.tick(1);
  assert.deepEqual(page.states, ["http://here/?x=1", "http://here/?x=3"]);
  address.say(() => query("x=4"));
  t.mock.timers.tick(400);
  assert.equal(page.states.at(-1), "http://here/?x=4");
  t.mock.timers.tick(400);
  address.say(() => query("x=4"));
  address.say(() => null);
  assert.equal(page.states.length, 3); // what it says already is not said again
});

test("names of others stay, ours are replaced", () => {
  const { page, address } = sayer("?__theme=dark&x=1&pin=a&pin=b");
  assert.deepEqual([...address.first.keys()], ["__theme", "x", "pin", "pin"]);
  address.say(() => query("example=a&pin=c"));
  assert.deepEqual(page.states, ["http://here/?__theme=dark&example=a&pin=c"]);
});

test("an entry of its own takes what was due with it", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { page, backs, address } = sayer("?x=0");
  address.say(() => query("x=1"));
  address.say(() => query("x=2"));
  address.push(query("x=3"));
  t.mock.timers.tick(1000);
  assert.deepEqual([page.entries, location.href], [["http://here/?x=1"], "http://here/?x=3"]);
  address.push(query("x=3"));
  assert.equal(page.entries.length, 1);
  page.back();
  assert.deepEqual(backs.map(String), ["x=1"]);
});

test("a canvas that is not the first, and a page that may not, say nothing", () => {
  const second = sayer("?x=1", false);
  second.address.say(() => query("x=2"));
  second.address.push(query("x=2"));
  assert.deepEqual([second.page.states, second.page.entries, [...second.address.first]], [[], [], []]);
  assert.equal(second.page.listeners.popstate, undefined);
  const { address } = sayer();
  history.replaceState = () => { throw new Error("SecurityError"); };
  address.say(() => query("x=2"));
  address.push(query("x=3"));
  assert.equal(location.href, "http://here/?x=3"); // it is tried again
  assert.equal(address.of(query("x=2")).href, "http://here/?x=2");
});
