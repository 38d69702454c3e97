"""Every notebook runs from its first cell to its last, and its executed form shows what today's code shows.

With STCNN_WRITE_NOTEBOOKS=1 the executed forms are written.
"""

import base64
import io
import os
import re
from pathlib import Path

import jupytext
import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from tests.support.made_up_training import trained

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


ON_A_RUN = ("visualize_dataset", "visualize_model_param")
LONG = ("generate_ca_predictions", "visualize_model_param")
"""A minute and half a minute."""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = ["dataset.n_animals=1", "model.hidden.channels=[2]", "training.max_batches=2", "training.epochs=1"]
    return trained([*small, "training.device=cpu", f"experiments_dir={tmp_path_factory.mktemp('runs')}"]).path


def execute(path: Path, **parameters: object) -> nbformat.NotebookNode:
    """Run a notebook, with other values after its cell of parameters, and return it with its outputs."""
    notebook = jupytext.read(path)
    if parameters:
        place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        given = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(given))
    folder = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=folder).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


def words_and_numbers(text: str) -> tuple[list[str], list[float]]:
    """A text without its numbers, and these: they may differ in the last digits from one machine to another."""
    number = r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])"
    return re.sub(number, "#", text).split(), [float(found) for found in re.findall(number, text)]


def grey(png: str) -> np.ndarray:
    """The pixels of a picture, 0 to 255."""
    return 255 * matplotlib.image.imread(io.BytesIO(base64.b64decode(png)), format="png")[..., :3].mean(-1)


def printed(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell prints; warnings, such as that there is no compiler, depend on the machine."""
    return [str(output["text"]) for output in cell.get("outputs", []) if output.get("name") == "stdout"]


def require_alike(stored: nbformat.NotebookNode, today: nbformat.NotebookNode) -> None:
    """Require the same texts up to 2 % in their numbers, and pictures that differ by less than 2 grey levels of 255.

    Another compiler moves single pixels of a line; another network, or another figure, moves more.
    """
    texts = [[said for c in n.cells for said in printed(c)] for n in (stored, today)]
    tables = [outputs(n, "text/html") for n in (stored, today)]
    for was, now in zip(texts[0] + tables[0], texts[1] + tables[1], strict=True):
        if "<video" in was:
            continue
        assert words_and_numbers(now)[0] == words_and_numbers(was)[0]
        np.testing.assert_allclose(words_and_numbers(now)[1], words_and_numbers(was)[1], rtol=0.02, atol=0.011)
    for was, now in zip(*(outputs(n, "image/png") for n in (stored, today)), strict=True):
        assert grey(was).shape == grey(now).shape
        assert np.abs(grey(was) - grey(now)).mean() < 2


@pytest.mark.parametrize(
    "name", [pytest.param(path.stem, marks=[pytest.mark.slow] * (path.stem in LONG)) for path in NOTEBOOKS]
)
def test_notebook_runs_and_shows_what_lies_there(name: str):
    path = ROOT / "notebooks" / f"{name}.py"
    notebook = execute(path)
    assert outputs(notebook, "image/png")
    assert ("write_animation" in path.read_text()) == any("<video" in html for html in outputs(notebook, "text/html"))
    if os.environ.get("STCNN_WRITE_NOTEBOOKS"):
        nbformat.write(notebook, path.with_suffix(".ipynb"))
    require_alike(nbformat.read(path.with_suffix(".ipynb"), as_version=4), notebook)


@pytest.mark.slow  # half a minute for other values of one cell
@pytest.mark.parametrize("name", ON_A_RUN)
def test_notebook_runs_on_a_run_folder(name: str, run_folder: Path):
    assert outputs(execute(ROOT / "notebooks" / f"{name}.py", RUN=str(run_folder)), "image/png")


def test_every_notebook_lies_there_executed():
    for path in NOTEBOOKS:
        executed = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
        sources = [cell.source for cell in jupytext.read(path).cells]
        assert [cell.source for cell in executed.cells] == sources, f"{path.stem} has changed: STCNN_WRITE_NOTEBOOKS=1"
        assert outputs(executed, "image/png")
