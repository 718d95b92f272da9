// Rules for the page's JavaScript and its tests. Layers: core (no DOM) <- parts <- the session.

const common = {
  "no-undef": "error",
  "no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
  "no-redeclare": "error",
  "no-shadow": "error",
  "no-implicit-globals": "error",
  "no-var": "error",
  "no-param-reassign": "error",
  "prefer-const": "error",
  eqeqeq: "error",
  complexity: ["error", 15],
  "max-lines-per-function": ["error", { max: 60 }],
  "max-lines": ["error", 300],
  "max-len": ["error", { code: 160 }],
};
const names = (words) => Object.fromEntries(words.split(" ").map((word) => [word, "readonly"]));
const everywhere = names("atob queueMicrotask URL URLSearchParams fetch setTimeout clearTimeout setInterval clearInterval console "
  + "AbortController TextDecoder Blob FormData XMLHttpRequest");
const browser = names("document location history navigator matchMedia innerHeight getComputedStyle requestAnimationFrame "
  + "ResizeObserver CustomEvent Node Option File MediaStream HTMLInputElement addEventListener localStorage");
const gradio = names("element props");
const page = "nonlocal_viz/canvas";

/** What a layer may not import. */
const above = (group) => ({ "no-restricted-imports": ["error", { patterns: [{ group: [group], message: "Arrows point down." }] }] });
/** No module looks further up than its canvas's root, nor keeps anything between canvases. */
const lookups = ["querySelector", "querySelectorAll", "getElementById", "getElementsByClassName"];
const declarations = "Program > :matches(VariableDeclaration, ExportNamedDeclaration > VariableDeclaration)";
const contained = {
  "no-restricted-properties": ["error", ...lookups.map((property) => ({ object: "document", property }))],
  "no-restricted-syntax": ["error",
    { selector: "Program > :matches(VariableDeclaration[kind='let'], ExportNamedDeclaration > VariableDeclaration[kind='let'])",
      message: "A module keeps no state." },
    { selector: `${declarations}[declarations.length>1]`, message: "One name a statement, for the joiner." }],
};

export default [
  { ignores: ["**/*.d.ts", ".venv/", "build/", "dist/"] },
  {
    files: ["**/*.js"], languageOptions: { ecmaVersion: 2022, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" }, rules: common,
  },
  { files: [`${page}/core/*.js`], languageOptions: { globals: everywhere }, rules: { ...contained, ...above("../*") } },
  {
    files: [`${page}/parts/*.js`], languageOptions: { globals: { ...everywhere, ...browser } },
    rules: { ...contained, ...above("../*.js") },
  },
  {
    files: [`${page}/lesson/**/*.js`],
    languageOptions: { globals: { ...everywhere, ...browser, ...names("performance Image MutationObserver NodeFilter structuredClone") } },
    rules: { ...contained, ...above("**/gradio.js"), "max-len": ["error", { code: 160, ignoreTemplateLiterals: true }] },
  },
  {
    files: [`${page}/*.js`], languageOptions: { globals: { ...everywhere, ...browser } },
    rules: { ...contained, ...above("./gradio.js") },
  },
  { files: [`${page}/gradio.js`], languageOptions: { globals: gradio } },
  {
    files: ["tests/web/js/*.js", "eslint.config.js"],
    languageOptions: {
      globals: { ...everywhere, ...names("process Buffer Response ReadableStream TextEncoder File setImmediate location history document") },
    },
    rules: { "max-lines-per-function": "off" },
  },
];
