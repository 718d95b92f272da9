// The pages in their order.

import { guess } from "./pages/guess.js";

/** @type {import("../pages.js").Page[]} */
export const PAGES = [guess];
