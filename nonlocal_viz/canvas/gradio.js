// The page in gradio, which provides these names to the script of a gr.HTML. Of gradio's own events none is
// used: what is asked goes by a line of our own, which survives a server that was away.

import { Line } from "./core/line.js";
import { Lesson } from "./lesson/lesson.js";
import { mount } from "./mount.js";

/** Where the page is served, as gradio has told it, on the host that the browser knows it by. */
const served = new URL(globalThis.gradio_config?.root ?? ".", location.href).pathname.replace(/\/*$/, "/");

// The lesson is a page's own: it has the address and the keys.
mount(element, new Line(served, props.config), (session) => { if (session.company.before === 0) new Lesson(session); });
