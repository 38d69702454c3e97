"""Makes the pictures of the page to explore, and the film of its use: python -m docs.make_explorer_film (five minutes).

The page is that of the run that comes with the package. Headless Chromium is steered as a person would: it chooses,
slides, points and scrolls; every frame of the film is a picture of its window. They go to docs/images.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch
from PIL import Image

import stcnn
from stcnn.config import compose
from stcnn.explorer.page import Explored, write_page
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from tests.support.chromium import Chromium, Tab
from tests.support.measured_eye import write_columns

HERE = Path(__file__).parent
IMAGES = HERE / "images"
FRAME_S = 0.1
FILM_PX = (1000, 720)
BAR = {"width_deg": 10, "speed_deg_s": 60, "direction_deg": 0, "timing": {"after_s": 0.7}}
CHANGED = {"tau": {"layer2": 4}, "gain": {"layer3": 0.5}, "silent": {"layer4": [0, 1]}}
STILLS: dict[str, tuple[dict[str, Any], int, bool]] = {
    "explore": ({"kind": "moving_bar", "args": BAR, "maps": "layer2"}, 1400, False),
    "explore_changed": ({"edits": CHANGED, "maps": "layer4"}, 1400, False),
    "explore_dark": ({}, 500, True),
    "explore_two": ({"second": 1, "edits": {"gain": {"layer2": 0.6}}}, 1400, True),
}
"""Pictures by name: what the link of the page holds, width in px, whether it is dark."""


@contextmanager
def browser() -> Iterator[Chromium]:
    """Chromium with an empty profile."""
    with tempfile.TemporaryDirectory() as profile:
        opened = Chromium(Path(profile))
        yield opened
        opened.close()


def still(tab: Tab, to: Path, width: int) -> None:
    """Write a picture of the page, whose tuning curve is complete; on a phone with a recording, down to the table."""
    tab.run("await finished(); await curveOf(9);")
    if width < 600:
        tab.run("await finished(() => pick('Or a recording', bestRecorded()));")
    end = "document.documentElement.scrollHeight"
    if width < 600:
        end = "Math.floor(document.getElementById('h-change').getBoundingClientRect().top + scrollY)"
    tab.resize(width, tab.run(f"return {end};"))
    tab.run("await pause(400);")
    tab.picture(to)
    picture = Image.open(to).convert("RGB").quantize(192, dither=Image.Dither.NONE)
    picture.save(to, optimize=True)
    print(f"{to}: {to.stat().st_size / 1e6:.2f} MB, {picture.size}")


class Film:
    """Frames of the window of a page.

    Args:
        tab: the page.
        folder: for the pictures.
    """

    def __init__(self, tab: Tab, folder: Path) -> None:
        self.run = tab.run
        self.point = tab.point
        self._tab = tab
        self._folder = folder
        self._shown_ms: list[int] = []

    def take(self, shown_s: float = FRAME_S) -> None:
        """Add what the window shows."""
        self._tab.picture(self._folder / f"{len(self._shown_ms):04}.png")
        self._shown_ms.append(round(1000 * shown_s))

    def write(self, to: Path) -> None:
        """Write it as an animated WebP, which README and browsers show."""
        first, *others = (Image.open(path).convert("RGB") for path in sorted(self._folder.glob("*.png")))
        first.save(to, save_all=True, append_images=others, duration=self._shown_ms, loop=0, quality=55, method=4)
        print(f"{to}: {sum(self._shown_ms) / 1000:.1f} s, {to.stat().st_size / 1e6:.2f} MB")


def loom(film: Film) -> None:
    """A disc looms."""
    film.run("caption('A looming disc: what the eye sees, maps of a layer, responses');")
    for k in range(32):
        film.run(f"seek({k / 31});")
        film.take()


def slide(film: Film) -> None:
    """The direction of a bar turns."""
    film.run("caption('Every argument has a slider; the page itself computes the responses');")
    film.run("await finished(() => pick('Stimulus', 'moving_bar'));")
    for degrees in range(0, 181, 20):
        film.run(f"await finished(() => slide('direction_deg', {degrees}));")
        film.take(0.4)


def draw(film: Film) -> None:
    """The pointer draws."""
    film.run("caption('Draw with the pointer: the network answers live'); pick('Stimulus', 'drawing');")
    x, y, width, height = film.run("return canvasBox();")
    for k in range(36):
        turn = 2 * math.pi * k / 18
        here = (x + width * (0.5 + 0.3 * math.cos(turn)), y + height * (0.5 + 0.3 * math.sin(turn)))
        film.point(*here)
        film.run(f"pointer({here[0]}, {here[1]}); await pause(100);")
        film.take()
    film.run("noPointer();")


def change(film: Film) -> None:
    """Time constants grow and channels fall silent."""
    film.run("caption('Change time constants, silence channels; dotted: as it was trained');")
    film.run("await finished(() => pick('Stimulus', 'looming_disc')); scrolled('h-change');")
    film.take(0.8)
    film.run("await finished(() => slide('taulayer2', 4));")
    film.take(0.8)
    for channel in (1, 2, 3):
        film.run(f"await finished(() => silence({channel}, 3));")
        film.take(0.4)
    film.run("scrolled('h-responses');")
    film.take(2.0)


def lay_over(film: Film) -> None:
    """A recording and a tuning curve."""
    film.run("await finished(() => document.getElementById('reset').click());")
    film.run("caption('Lay a held-out recording over the response, beside its noise ceiling');")
    film.run("await finished(() => pick('Or a recording', bestRecorded())); scrolled('h-responses');")
    film.take(2.6)
    film.run("caption('Tuning to any argument'); pick('Stimulus', 'looming_disc'); scrolled('tuning');")
    for points in range(2, 10):
        film.run(f"await curveOf({points});")
        film.take(0.2)
    film.take(1.2)


def shown(chromium: Chromium, page: Path, view: dict[str, Any] | None = None, **options: Any) -> Tab:
    """Open a page, of a view."""
    link = "" if view is None else f"#{quote(json.dumps(view))}"
    tab = Tab(chromium, f"file://{page}{link}", **options)
    tab.run((HERE / "explorer_film.js").read_text())
    return tab


def measured_eye(chromium: Chromium, folder: Path) -> None:
    """Write the picture of what made-up columns around a fly's eye see, with a network that is not trained."""
    table = write_columns(folder / "columns.csv", (0.0, 0.0), rings=11)
    torch.manual_seed(0)
    model = STCNN(
        compose(["model=measured", f"model.eye.arrangement.table={table}"]).model, Population(neurons={"lc11": ("a",)})
    )
    page = write_page([Explored("a measured eye", [model.eval()], 60.0, (101, 141))], folder / "measured.html")
    tab = shown(chromium, page, {"kind": "moving_bar", "args": BAR | {"width_deg": 20}, "maps": "layer1"}, width=1400)
    tab.run("await finished();")
    x, y, width, height = tab.run(
        "const box = document.querySelector('.pictures').getBoundingClientRect();"
        "return [box.x + scrollX, box.y + scrollY, box.width, box.height];"
    )
    to = IMAGES / "explore_measured.png"
    tab.picture(to, clip={"x": x - 8, "y": y - 8, "width": width + 16, "height": height + 16, "scale": 1})
    Image.open(to).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(to, optimize=True)
    tab.close()


def main() -> None:
    """Write all of it."""
    run = stcnn.example_run().path
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        measured_eye(chromium, Path(folder))
        one = stcnn.explore([run], Path(folder) / "one.html")
        two = stcnn.explore([run, run], Path(folder) / "two.html")
        for name, (view, width, dark) in STILLS.items():
            tab = shown(chromium, two if "second" in view else one, view, width=width, dark=dark)
            still(tab, IMAGES / f"{name}.png", width)
            tab.close()
        tab = shown(chromium, one)
        tab.resize(*FILM_PX)
        tab.run("await finished();")
        film = Film(tab, Path(folder))
        for scene in (loom, slide, draw, change, lay_over):
            scene(film)
        film.write(IMAGES / "explore_film.webp")


if __name__ == "__main__":
    main()
