// Pages that work alone, from any place and without a network: a canvas each, with what it shows beside it.

import { Shelf } from "./core/shelf.js";
import { mount } from "./mount.js";
import { all, one } from "./parts/elements.js";

/** As the reader's machine likes it. @param {MediaQueryList} likes */
function dress(likes) { document.body.classList.toggle("dark", likes.matches); }

/** @param {HTMLElement} page */
function unpack(page) { mount(page, new Shelf(JSON.parse(one(page, "script").textContent || ""))); }

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => dress(dark));
dress(dark);
all(document.body, ".nlv-alone").forEach(unpack);
