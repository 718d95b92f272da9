import assert from "node:assert/strict";
import test from "node:test";
import { Phrases } from "../../../nonlocal_viz/canvas/core/phrases.js";

const english = {
  "page.a": "row {h}, column {w}", "page.b": "The cell in {place} looks most at {other}.", "page.c": "Opened {title}.", "page.d": "Rocket",
  "page.e": "{n} pins", "other.f": "Undo", "page.g": "Undo: {what} (z)",
};
const other = {
  "page.a": "R{h}C{w}", "page.b": "Von {place} nach {other}!", "page.c": "Offen: {title}!", "page.d": "Rakete", "page.e": "{n} Nadeln", "other.f": "nie",
  "page.g": "Weg: {what}",
};
const phrases = new Phrases(english, other);

test("what is known is said, with its places said, too", () => {
  assert.equal(phrases.say("Rocket"), "Rakete");
  assert.equal(phrases.say("3 pins"), "3 Nadeln");
  assert.equal(phrases.say("The cell in row 2, column 3 looks most at row 4, column 5."), "Von R2C3 nach R4C5!");
  assert.equal(phrases.say("Undo: of (all) (z)"), "Weg: of (all)");
});

test("sentences in a row are said one by one, and spaces stay", () => {
  assert.equal(phrases.say("Opened Rocket. The cell in row 2, column 3 looks most at Rocket."), "Offen: Rakete!Von R2C3 nach Rakete!");
  assert.equal(phrases.say(" \n Rocket  "), " \n Rakete  ");
  assert.equal(phrases.say("Opened\n   Rocket."), "Offen: Rakete!");
});

test("what is not known, or is not the page's, stays", () => {
  for (const text of ["Undo", "layer2.1", "", "  ", "12 \u00d7 13", "Rockets"]) assert.equal(phrases.say(text), text);
  assert.equal(phrases.say("Undo"), "Undo");
});
