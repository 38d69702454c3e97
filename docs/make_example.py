"""Makes the run that comes with the package, stcnn/example: python docs/make_example.py [RUN] (three minutes).

It is a default training with its default seed, in the form that ``stcnn export --as hub`` writes. RUN is such a
training that was made before.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import stcnn
from stcnn.export.request import Request
from stcnn.forms import export

EXAMPLE = Path(stcnn.__file__).parent / "example"


def make(run: Path) -> None:
    """Write the run in the place of the one that is there."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "example"
        for line in export("hub", Request(run, draft)):
            print(line)
        shutil.rmtree(EXAMPLE, ignore_errors=True)
        shutil.copytree(draft, EXAMPLE)
    print(f"{EXAMPLE}: {sum(path.stat().st_size for path in EXAMPLE.iterdir()):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as experiments:
            make(stcnn.train("name=example", f"experiments_dir={experiments}").path)
