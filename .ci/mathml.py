"""Turns the formulas of the documentation into MathML when the site is built: it needs no script to show them."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Replace every formula of a page; MkDocs calls this hook with the HTML of each."""

    def mathml(found: re.Match[str]) -> str:
        tag, tex = found.groups()
        return convert(unescape(tex), display="block" if tag == "div" else "inline")

    return FORMULA.sub(mathml, html)
