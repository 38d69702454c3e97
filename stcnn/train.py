"""``python train.py``: train a model; ``python train.py --help`` says how."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # `python train.py` puts this folder first on sys.path, but the package lies one above
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from stcnn.command_line import main

if __name__ == "__main__":
    sys.exit(main())
