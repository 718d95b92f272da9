"""The whole tool in the language of the lesson, and in English again."""

import re
from typing import Any

import pytest

pytestmark = pytest.mark.browser

#: Names, which no language says otherwise.
NAMES = re.compile(
    r"nonlocal_viz|(timm|torchvision|hf):\w+|Aa|softmax|Transformer|ReLU|token|exp|log|nat\b|layer\d\.\d|PNG|SVG|PDF|WebM|npz|csv|html"
    r"|NumPy|inferno|magma|viridis|cividis|managua_r|berlin|RdBu_r|coolwarm|embedded_gaussian|dot_product"
    r"|concatenation|labels_only|gaussian|Home|End|PgUp|PgDn|Enter|Escape|Esc|Ctrl|Shift|Alt|Delete|arrows"
    r"|click|wheel|English|bunny|MB"
)
TEXTS = """() => {
    const found = new Set(), root = document.querySelector('.nlv');
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const { parentElement, data } = walk.currentNode;
        if (!parentElement.closest('script, style, .nlv-language')) found.add(data.trim());
    }
    for (const e of root.querySelectorAll('*')) {
        for (const name of ['aria-label', 'title', 'alt']) found.add(e.getAttribute(name) || '');
    }
    return [...found];
}"""


def english(seen: Any) -> list[str]:
    return [t for t in seen.page.evaluate(TEXTS) if re.search("[A-Za-z]{2}", NAMES.sub("", t))]


def test_the_whole_tool_speaks_chinese_and_english_again(visit: Any) -> None:
    seen = visit(query="?example=bunny&block=layer3.1#lang=zh")
    seen.page.evaluate(
        "document.querySelectorAll('.nlv details').forEach((d) => { d.open = true; })"
    )
    seen.settled()
    assert not english(seen)
    seen.click(0.4, 0.4)
    for key in ("p", "r"):
        seen.page.keyboard.press(key)
        seen.settled()
        assert not english(seen), key
    assert "\u8fd9\u4e00\u683c" in seen.page.locator(".nlv-readout h2").inner_text()
    for model in ("dot_product", "concatenation"):
        seen.page.locator(".nlv-model").select_option(model)
        seen.wait("tool.ready && document.querySelector('.nlv').dataset.state === 'ready'")
        seen.settled()
        assert not english(seen), model
    seen.page.locator('[data-example="bunny-clip"]').click()
    seen.page.locator(".nlv-film:not([hidden]) .nlv-frame").first.wait_for()
    seen.settled()
    assert not english(seen), "a clip"
    seen.page.locator(".nlv-language").click()
    seen.settled()
    assert not re.search("[\u4e00-\u9fff]", seen.page.locator(".nlv-side").inner_text())
    assert seen.page.locator(".nlv").get_attribute("lang") == "en"
