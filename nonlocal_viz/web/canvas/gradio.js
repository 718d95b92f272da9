// The page in gradio, which provides these five names to the script of a gr.HTML.

import { mount } from "./mount.js";

mount(element, { props, trigger, watch, upload });
