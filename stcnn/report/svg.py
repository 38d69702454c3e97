"""Figures as SVG inside the page, which follow its light or dark."""

from __future__ import annotations

import io
import re
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.figure import Figure

from stcnn.viz.theme import LIGHT


class Picture(NamedTuple):
    """A figure on the page.

    Args:
        name: of its place in the page.
        svg: the drawing.
        alt: what it shows, for those who do not see it.
    """

    name: str
    svg: str
    alt: str


def inline_svg(figure: Figure, name: str, alt: str) -> Picture:
    """Turn a figure in the light theme into SVG whose paper and ink are variables of the page.

    Args:
        figure: the figure.
        name: unique on the page; keeps the identifiers of two drawings apart.
        alt: what it shows.
    """
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = stream.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for colour, variable in ((LIGHT.ink, "--ink"), (LIGHT.paper, "--paper"), (LIGHT.faint, "--faint")):
        svg = re.sub(rf"(?<=: ){re.escape(colour)}", f"var({variable})", svg, flags=re.IGNORECASE)
    svg = _with_own_identifiers(svg, name)
    width_px = 96 * figure.get_figwidth()
    return Picture(name, svg.replace("<svg", f'<svg aria-hidden="true" style="--wide: {width_px:.0f}px"', 1), alt)


def standalone(picture: Picture) -> str:
    """Return a drawing as a file of its own, on white paper."""
    svg = re.sub(r' aria-hidden="true" style="--wide: [^"]*"', "", picture.svg, count=1)
    for colour, variable in ((LIGHT.ink, "--ink"), (LIGHT.paper, "--paper"), (LIGHT.faint, "--faint")):
        svg = svg.replace(f"var({variable})", colour)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{svg}'


def _with_own_identifiers(svg: str, name: str) -> str:
    """Keep the identifiers that are referred to, once each, and put ``name`` before them."""
    wanted = set(re.findall(r'(?:href="#|url\(#)([\w.]+)', svg))

    def renamed(match: re.Match[str]) -> str:
        if match[1] not in wanted:
            return ""
        wanted.remove(match[1])
        return f' id="{name}-{match[1]}"'

    svg = re.sub(r'((?:href="#|url\(#))([\w.]+)', rf"\1{name}-\2", svg)
    return re.sub(r'\sid="([\w.]+)"', renamed, svg)
