// The pages in their order.

import { cellsPage } from "./pages/cells.js";
import { channelsPage } from "./pages/channels.js";
import { codePage } from "./pages/code.js";
import { cousinsPage } from "./pages/cousins.js";
import { guessPage } from "./pages/guess.js";
import { limitsPage } from "./pages/limits.js";
import { outputPage } from "./pages/output.js";
import { rowPage } from "./pages/row.js";
import { samePage } from "./pages/same.js";
import { scorePage } from "./pages/score.js";
import { timePage } from "./pages/time.js";

/** @type {import("../pages.js").Page[]} */
export const PAGES = [guessPage, cellsPage, scorePage, rowPage, outputPage, channelsPage, samePage, cousinsPage, timePage, limitsPage, codePage];
