"""The run folder as those processes of a training see it that do not write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stcnn.nn.model import STCNN
from stcnn.run_folder import Run


class FollowedRun(Run):
    """A run folder that the first of several processes writes; here it is only read."""

    def save_config(self, config: Mapping[str, Any]) -> None:
        """Leave it to the first process."""

    def write_json(self, name: str, facts: Mapping[str, Any]) -> None:
        """Leave it to the first process."""

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> None:
        """Leave it to the first process."""

    def finish(self, model: STCNN, epoch: int) -> None:
        """Leave it to the first process."""
