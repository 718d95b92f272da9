// The names that gradio provides to the script of a gr.HTML, and of what it keeps in the window.

import type { Config } from "./protocol.js";

declare global {
  const element: HTMLElement;
  const props: { config: Config };
  var gradio_config: { root?: string } | undefined;
}
