// The fields and buttons beside the picture.

import { blockLabels, blockWords, modelWords } from "../core/words-choices.js";
import { all, one, say } from "./elements.js";

/** @typedef {import("../core/look.js").Look} Look */
/** @typedef {HTMLInputElement | HTMLSelectElement} Field */
/** @typedef {{ model: (name: string) => void, block: (name: string) => void, look: (changes: Partial<Look>) => void,
 *   clip: (changes: { frames: number } | { spacetime: boolean }) => void, save: (suffix: string) => void,
 *   link: () => void }} Listener */

/** What a field is called in the page -> what it says of the look. @type {Record<string, keyof Look>} */
const LOOK = {
  direction: "direction", cmap: "cmap", scale: "colourScale", alpha: "alpha", smooth: "smooth", grid: "grid",
  colour: "colour", arrows: "arrows", veil: "veil",
};

export class Controls {
  /** @param {HTMLElement} root @param {import("../protocol.js").Model[]} models @param {Listener} on */
  constructor(root, models, on) {
    this.details = /** @type {HTMLDetailsElement} */ (one(root, ".nlv-controls"));
    this.models = /** @type {HTMLSelectElement} */ (one(root, ".nlv-model"));
    this.frames = /** @type {HTMLSelectElement} */ (one(root, '[data-clip="frames"]'));
    this.spacetime = /** @type {HTMLSelectElement} */ (one(root, '[data-clip="spacetime"]'));
    /** @type {Record<string, Field>} */
    this.fields = Object.fromEntries(all(root, "[data-set]").map((field) => [field.dataset.set, field]));
    this.keys = /** @type {HTMLDialogElement} */ (one(root, ".nlv-keys"));
    this.linkButton = one(root, '[data-do="link"]');
    /** Whether a PNG is to have its caption. */
    this.caption = /** @type {HTMLInputElement} */ (one(root, "[data-caption]"));
    this.remote = one(root, ".nlv-remote");
    this.size = one(root, ".nlv-size");
    this.why = one(root, ".nlv-why");
    models.forEach((model) => this.models.add(new Option(modelWords(model), model.name)));
    // A phone shows the picture first and the controls when they are asked for.
    if (matchMedia("(max-width: 900px)").matches) this.details.open = false;
    this.listen(root, on);
  }

  /** @param {HTMLElement} root @param {Listener} on */
  listen(root, on) {
    for (const [name, field] of Object.entries(this.fields)) {
      field.addEventListener(field.type === "range" ? "input" : "change", () => {
        if (name === "block") on.block(field.value);
        else on.look({ [LOOK[name]]: valueOf(field) });
      });
    }
    this.models.addEventListener("change", () => on.model(this.models.value));
    this.frames.addEventListener("change", () => on.clip({ frames: +this.frames.value }));
    this.spacetime.addEventListener("change", () => on.clip({ spacetime: Boolean(this.spacetime.value) }));
    for (const button of all(root, "[data-save]")) button.addEventListener("click", () => on.save(button.dataset.save || ""));
    one(root, '[data-do="keys"]').addEventListener("click", () => this.showKeys());
    this.linkButton.addEventListener("click", () => on.link());
  }

  showKeys() {
    this.keys.showModal();
    // From its beginning: a dialog gives the focus to its first control, which is the last thing in it.
    one(this.keys, "h2").focus();
  }

  /** @param {Look} look */
  showLook(look) {
    for (const [name, key] of Object.entries(LOOK)) {
      const field = this.fields[name];
      if (name === "cmap") continue;
      if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = Boolean(look[key]);
      else field.value = String(look[key]);
    }
  }

  /** @param {{ cmaps: string[], cmap: string, view: import("../core/words-choices.js").Blocks, block: string, model: string,
   * frames: number, spacetime: boolean, held: boolean, size: string }} shown size: of a file that works alone, "" where there can be none */
  showPicture({ cmaps, cmap, view, block, model, frames, spacetime, held, size }) {
    offer(this.fields.cmap, cmaps, cmap);
    offer(this.fields.block, view.blocks, block, blockLabels(view));
    say(this.why, blockWords(view, block) || "\u00a0");
    this.models.value = model;
    this.frames.value = String(frames);
    this.spacetime.value = spacetime ? "1" : "";
    this.remote.hidden = held;
    say(this.size, size && ` (${size})`);
  }

  /** A model that was opened by its name is on the list from then on. @param {string} name @param {string} title */
  offerModel(name, title) {
    if ([...this.models.options].every((option) => option.value !== name)) this.models.add(new Option(title, name));
  }

  /** @param {string} words */
  linked(words) {
    this.linkButton.textContent = words;
    setTimeout(() => (this.linkButton.textContent = "Copy link"), 2000);
  }
}

/** @param {Field} field */
function valueOf(field) {
  if (field.type === "checkbox") return /** @type {HTMLInputElement} */ (field).checked;
  return field.type === "range" ? +field.value : field.value;
}

/** @param {Field} select @param {string[]} values @param {string} chosen @param {string[]} [labels] */
function offer(select, values, chosen, labels = values) {
  const wanted = labels.join("|");
  if (select.dataset.values !== wanted) {
    select.replaceChildren(...values.map((value, i) => new Option(labels[i], value)));
    select.dataset.values = wanted;
  }
  select.value = chosen;
}
