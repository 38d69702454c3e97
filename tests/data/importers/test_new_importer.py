"""An importer is added as its page says: one file and one line, and its own tests pass."""

import re
from pathlib import Path

import pytest

from stcnn.data.importers.importer import IMPORTERS
from tests.support.developing_page import PAGES, page_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the YAML of the page."""
    found = re.search(r"^```yaml\n(.*?)^```", (PAGES / "importer.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert found is not None
    (tmp_path / "fly.yaml").write_text(found[1])
    return tmp_path


@pytest.mark.parametrize(
    "test", ["test_a_recording_starts_a_second_before_its_stimulus", "test_a_file_that_lacks_its_traces_is_a_sentence"]
)
def test_the_page_adds_an_importer(test: str, folder: Path):
    assert "matlab" not in IMPORTERS
    with page_run("importer", IMPORTERS) as page:
        page[test](folder)
