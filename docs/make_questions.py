"""Makes the pictures of in-silico physiology and of found stimuli: python -m docs.make_questions (three minutes).

All are of the run that comes with the package: sections of its page of physiology, as headless Chromium shows them, and
the stimuli that a search among dark rectangles and dark looming discs finds for each of its cell types.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

import stcnn
from docs.make_explorer_film import browser
from stcnn.experiments.asked_models import asked_models
from stcnn.experiments.optimal import Family, Found, Search, goal
from stcnn.viz.found_stimuli import found_stimuli
from tests.support.chromium import Tab

HERE = Path(__file__).parent
WIDTH_PX = 1300
ANALYSES = ("size", "surround", "direction", "looming", "lesions")
SECTIONS = {"physiology": ("glance", "looming"), "physiology_lesions": ("lesions", "methods")}
"""Pictures by name: id of the heading at their top, and of that below their bottom."""
DARK: dict[str, dict[str, tuple[float, float]]] = {
    "moving_rectangle": {"width_deg": (2, 45), "height_deg": (2, 60), "speed_deg_s": (20, 150)},
    "looming_disc": {"start_deg": (5, 15), "r_over_v_s": (0.01, 0.08), "end_deg": (20, 80)},
}
"""Families within what the run was trained on: dark, and at speeds it has seen."""


def family(kind: str) -> Family:
    bounds = {name: {"low": low, "high": high, "scale": "log"} for name, (low, high) in DARK[kind].items()}
    return Family.model_validate({"name": kind, "kind": kind, "common": {"luminance": 0}, "search": bounds})


def found() -> tuple[list[Found], tuple[str, ...]]:
    """The strongest stimulus of either family for every cell type, the better of both."""
    asked = asked_models([stcnn.example_run().path])
    goals = [goal(asked, "strongest", name) for name in asked.cell_types]
    each = [Search(asked, family(kind)).found(goals) for kind in DARK]
    return [max(those, key=lambda one: one.value) for those in zip(*each, strict=True)], asked.cell_types


def small(path: Path) -> None:
    """Bring a picture to few colours."""
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Write all of it."""
    stimuli = HERE / "gallery" / "optimal_stimuli.png"
    found_stimuli(*found()).savefig(stimuli, dpi=110)
    small(stimuli)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        page = stcnn.example_run().physiology(ANALYSES, Path(folder) / "physiology")
        for name, (first, behind) in SECTIONS.items():
            tab = Tab(chromium, f"file://{page}", width=WIDTH_PX)
            top, bottom = (
                tab.run(f"return document.getElementById('{key}').getBoundingClientRect().top + scrollY;")
                for key in (first, behind)
            )
            tab.resize(WIDTH_PX, 1200)
            clip = {"x": 0, "y": top - 16, "width": WIDTH_PX, "height": bottom - top - 8, "scale": 1}
            to = HERE / "images" / f"{name}.png"
            tab.picture(to, clip=clip, captureBeyondViewport=True)
            tab.close()
            small(to)


if __name__ == "__main__":
    main()
