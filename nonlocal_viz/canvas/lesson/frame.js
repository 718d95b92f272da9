// What stands round a page: the tabs, the dots, the drawing of the block, the level that one is at.

import { middle } from "../core/grid.js";
import { all, make, one } from "../parts/elements.js";
import { LETTERS } from "./asking.js";
import { drawMap } from "./bars.js";
import { diagramHtml, drawnAs, showShapes } from "./diagram.js";
import { PAGES } from "./pages.js";

/** @typedef {import("./lesson.js").Lesson} Lesson */
/** @typedef {import("../pages.js").At} At */

/** Share of the window's height that the photo takes; a clip has its frames below. */
const SHARE = 0.5;
const SHARE_OF_CLIP = 0.4;
const SHARE_FOR_A_CLASS = 0.56;

export class Frame {
  /** @param {Lesson} lesson */
  constructor(lesson) {
    const { root } = lesson.session, main = one(root, ".nlv-main"), stage = one(root, ".nlv-stage");
    this.lesson = lesson;
    this.root = root;
    this.title = document.title;
    this.tabs = make("nav", "nlv-tabs");
    this.language = make("button", "nlv-button nlv-language");
    this.language.type = "button";
    this.language.dataset.act = "language";
    one(root, ".nlv-head h1").after(this.tabs);
    one(root, ".nlv-head .nlv-quiet").before(this.language);
    this.column = make("div", "nlv-column");
    this.dots = make("nav", "nlv-dots");
    this.article = make("article", "nlv-page");
    this.column.append(this.dots, this.article);
    main.append(this.column);
    this.plan = make("div", "nlv-plan");
    this.levels = make("p", "nlv-crumbs");
    stage.append(this.levels);
    // A narrow window keeps its height for the photo: the drawing then comes behind the page.
    const narrow = matchMedia("(max-width: 900px)"), place = () => { (narrow.matches ? this.column : stage).append(this.plan); };
    narrow.addEventListener("change", place);
    place();
    /** The kind of the question that is asked. */
    this.asks = "none";
    this.stages = "";
  }

  /** Everything whose words depend on page and language alone. */
  show() {
    const { lesson, root } = this, { on, number, tongue } = lesson, codes = tongue.all, next = codes.find(([code]) => code === tongue.next);
    root.dataset.tab = on ? "lesson" : "explore";
    // The texts of the lesson count frames.
    lesson.session.scene.film.numbered = on;
    root.lang = tongue.now === "zh" ? "zh-Hans" : tongue.now;
    document.documentElement.lang = root.lang;
    document.title = on ? `${lesson.say(`${lesson.page.name}.title`)} · ${this.title}` : `${lesson.say("tab.explore")} · ${this.title}`;
    root.classList.toggle("nlv-present", on && lesson.presenting);
    this.tabs.setAttribute("aria-label", lesson.say("lesson.tabs"));
    const tab = (/** @type {string} */ name, /** @type {boolean} */ now) => `<button type="button" data-act="${name}"${now ? ' aria-current="page"' : ""}>${lesson.say(`tab.${name}`)}</button>`;
    this.tabs.innerHTML = tab("explore", !on) + tab("lesson", on);
    this.language.textContent = next ? next[1] : "";
    this.language.lang = next ? next[0] : "";
    this.language.hidden = codes.length < 2;
    this.language.title = lesson.say("lesson.switch");
    const photo = lesson.presenting ? SHARE_FOR_A_CLASS : SHARE;
    lesson.session.scene.stage.part = !on ? null : lesson.start.frame === undefined ? photo : SHARE_OF_CLIP;
    lesson.session.scene.stage.fit();
    this.dots.setAttribute("aria-label", lesson.say("lesson.pages"));
    this.dots.innerHTML = PAGES.map(({ name }, i) => {
      const title = lesson.say(`${name}.title`), now = i + 1 === number;
      return `<a href="#lesson=${i + 1}" data-act="page" data-page="${i + 1}" title="${title}"${now ? ' aria-current="page"' : ""}><span class="nlv-dot"></span><span class="nlv-dotname">${title}</span></a>`;
    }).join("");
    this.stages = "";
  }

  /** @param {string} html @param {import("../core/answer.js").Block | null} block @param {import("../pages.js").Plan} [plan] */
  write(html, block, plan = {}) {
    const { article, lesson } = this, kept = focusOf(article), { stages } = lesson.page, form = drawnAs(block),
      now = `${lesson.tongue.now} ${stages.join()} ${Object.values(form).join()}`;
    article.innerHTML = html;
    if (this.stages !== now) this.plan.innerHTML = `<p class="nlv-planhint">${lesson.say("lesson.plan")}</p>${diagramHtml(lesson, stages, form)}`;
    this.stages = now;
    if (block) showShapes(this.plan, block, plan);
    if (kept) article.querySelector(/** @type {any} */ (kept))?.focus({ preventScroll: true });
  }

  focusTitle() { one(this.article, "h2").focus({ preventScroll: true }); this.root.ownerDocument.defaultView?.scrollTo({ top: 0 }); }

  /** The letters of choices that are places, and the small maps of those that are rows. @param {At} at */
  letters(at) {
    const { lesson } = this, { page, state } = lesson, question = page.ask?.(at), asked = question && !state.check ? question : null,
      check = state.revealed ? page.check?.(at) : null;
    for (const one_ of [asked, check]) {
      if (one_?.kind !== "which") continue;
      one_.options.forEach(({ place, row }, i) => {
        if (place && (one_ === check || !check?.kind || !hasPlaces(check))) lesson.marks.letter(LETTERS[i], place);
        const canvas = row && this.article.querySelector(`[data-question="${one_ === check ? "check" : "ask"}"] [data-option="${i}"]`);
        if (canvas && row) drawMap(/** @type {HTMLCanvasElement} */ (canvas), lesson, row, at.keys);
      });
    }
  }

  /** What the page is about is not here, so neither are its cells. */
  noCrumbs() {
    this.levels.textContent = this.lesson.say("crumb.all");
    this.levels.title = "";
  }

  /** all cells > cell > key > channel. @param {At} at */
  crumbs(at) {
    const { lesson } = this, { place, session } = lesson, cell = (/** @type {number} */ k, /** @type {import("../core/grid.js").Grid} */ grid) => {
      const [t, h, w] = grid.unflat(k);
      return grid.cells[0] > 1 ? `(${h}, ${w}; ${t})` : `(${h}, ${w})`;
    };
    const levels = [lesson.say("crumb.all"), `${lesson.say("crumb.cell")} ${cell(at.q, at.queries)}`];
    if (at.revealed && place.key !== null) levels.push(`${lesson.say("crumb.key")} ${cell(place.key, at.keys)}`);
    if (at.revealed && place.channel !== null) levels.push(`${lesson.say("crumb.channel")} ${place.channel}`);
    const words = levels.join(" \u203a ");
    if (this.levels.textContent !== words) this.levels.textContent = words;
    this.levels.title = `${Math.round(middle(at.queries.rect(at.q))[0])}, ${Math.round(middle(at.queries.rect(at.q))[1])}`;
    session.root.classList.toggle("nlv-hasnokey", place.key === null);
  }

  /** All that stands for one tensor stands out. @param {string} name "" for none */
  light(name) {
    for (const element of all(this.root, "[data-of]")) element.classList.toggle("lit", element.dataset.of === name);
  }
}

/** @param {import("../pages.js").Question} question */
const hasPlaces = (question) => question.kind === "which" && question.options.some(({ place }) => place);

/** What had the focus, as a selector. @param {HTMLElement} article */
function focusOf(article) {
  const now = article.ownerDocument.activeElement;
  if (!now || !article.contains(now)) return null;
  if (now.tagName === "H2") return "h2";
  const { act, ofQuestion, choice, slide, door, match } = /** @type {HTMLElement} */ (now).dataset;
  const parts = Object.entries({ act, "of-question": ofQuestion, choice, slide, door, match }).filter(([, value]) => value !== undefined);
  return parts.length ? parts.map(([name, value]) => `[data-${name}="${value}"]`).join("") : null;
}
