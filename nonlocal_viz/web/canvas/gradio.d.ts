// The names that gradio provides to the script of a gr.HTML.

import type { Host } from "./core/desk.js";

declare global {
  const element: HTMLElement;
  const props: Host["props"];
  const trigger: Host["trigger"];
  const watch: Host["watch"];
  const upload: Host["upload"];
}
