"""Every notebook runs from its first cell to its last; with STCNN_WRITE_NOTEBOOKS=1 the executed form is written."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.made_up_training import trained

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


ON_A_RUN = ("visualize_dataset", "visualize_model_param")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = ["dataset.n_animals=1", "model.hidden.channels=[2]", "training.max_batches=2", "training.epochs=1"]
    return trained([*small, "training.device=cpu", f"experiments_dir={tmp_path_factory.mktemp('runs')}"]).path


@pytest.fixture(scope="module")
def executed() -> Iterator[dict[str, Future[nbformat.NotebookNode]]]:
    """Every notebook; two at a time, each on one thread."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield {path.stem: pool.submit(execute, path) for path in NOTEBOOKS}


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_draws(path: Path, executed: dict[str, Future[nbformat.NotebookNode]]):
    notebook = executed[path.stem].result()
    assert outputs(notebook, "image/png")
    assert ("write_animation" in path.read_text()) == any("<video" in html for html in outputs(notebook, "text/html"))
    if os.environ.get("STCNN_WRITE_NOTEBOOKS"):
        nbformat.write(notebook, path.with_suffix(".ipynb"))


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
