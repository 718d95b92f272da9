import assert from "node:assert/strict";
import test from "node:test";

/** A browser's address, as far as it is asked for. */
function browser() {
  const heard = {}, written = [];
  globalThis.location = { href: "http://here/?x=1#a", search: "?x=1", hash: "#a" };
  globalThis.addEventListener = (kind, deed) => { heard[kind] = deed; };
  globalThis.history = { state: null, replaceState: (_, __, url) => { written.push(url.href); location.href = url.href; },
    pushState: (_, __, url) => { written.push(`+${url.href}`); location.href = url.href; } };
  return { heard, written };
}

const { Address } = await import("../../../nonlocal_viz/canvas/address.js");
const query = (x) => () => new URLSearchParams({ x: String(x) });

test("what was to be said of an entry that is left is said of no other, and steps back meet no change", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { heard, written } = browser(), backs = [], address = new Address(true, (asked) => backs.push(asked.get("x")));
  address.say(query(2));
  address.say(query(3));
  assert.equal(written.length, 1);
  heard.popstate();
  assert.deepEqual(backs, ["1"]);
  // The answer of this step, at once: it waits while further steps may come.
  address.say(query(4));
  t.mock.timers.tick(200);
  heard.popstate();
  t.mock.timers.tick(399);
  assert.equal(written.length, 1);
  t.mock.timers.tick(1000);
  assert.equal(written.length, 1, "what was said before the last step is of no entry");
  address.say(query(5));
  assert.equal(written.length, 2);
  heard.popstate();
  address.say(query(6));
  t.mock.timers.tick(400);
  assert.match(written[2], /x=6/);
  // A pause that began before the step does not end for what comes after it.
  t.mock.timers.tick(350);
  heard.popstate();
  address.say(query(7));
  t.mock.timers.tick(100);
  assert.equal(written.length, 3);
  t.mock.timers.tick(300);
  assert.match(written[3], /x=7/);
});

test("whose picture a page is about, and the language, are said behind the # alone", () => {
  browser();
  const address = new Address(true, () => {});
  address.behind = () => "lesson=4&here=1";
  assert.equal(address.behindOf(new URL("http://here/?here=1&lang=zh&x=1#b")).href, "http://here/?x=1#lesson=4&here=1");
});
