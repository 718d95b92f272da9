"""The quiet ground that the colour map stands on. Local fonts only: nothing is fetched."""

import gradio as gr

THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.neutral,
    neutral_hue=gr.themes.colors.neutral,
    font=["Inter", "system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)

#: What lies outside of our own element: gradio's container gives way.
PAGE_CSS = """
.gradio-container, .gradio-container .main, .gradio-container main, .gradio-container .wrap,
.gradio-container .contain {
  max-width: none !important; padding: 0 !important; margin: 0 !important; background: none !important; }
#nonlocal-viz .html-container { padding: 0 !important; }
.gradio-container .column { gap: 0 !important; }
footer { display: none !important; }
body, gradio-app { background: #f6f6f4 !important; }
body.dark, .dark gradio-app { background: #161616 !important; }
#nonlocal-viz { padding: 0; border: 0; overflow: visible; }
"""
