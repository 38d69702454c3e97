"""Peak memory of a training step by length of clip and kernel and number of clips; each in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import record

CASES = [
    *({"n_frames": n, "kernel_s": None} for n in (500, 1000, 1980, 4000, 8000)),
    *({"n_frames": 1980, "kernel_s": k} for k in (0.5, 2.0, 5.0)),
    *({"n_frames": 1980, "kernel_s": k, "compute": "torch"} for k in (None, 0.5, 2.0, 5.0)),
    {"n_frames": 1980, "kernel_s": None, "n_clips": 20},
    {"n_frames": 1980, "kernel_s": None, "n_clips": 20, "n_grey": 720},
]


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB (Linux counts it in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def measure(case: dict) -> dict:
    """Train one step and return what it took above the loaded program and the movie."""
    import torch

    from stcnn.nn.model import STCNN

    frames, n_clips, n_grey = case["n_frames"], case.get("n_clips", 1), case.get("n_grey", 0)
    model = record.published_size_model()
    hidden = model.config.hidden.model_copy(
        update={"filter": model.config.hidden.filter.model_copy(update={"kernel_s": case["kernel_s"]})}
    )
    model = STCNN(model.config.model_copy(update={"hidden": hidden}), model.population)
    model.hidden.compute = case.get("compute", "native")
    model.voltage_of(record.clips(1, 8, 0), record.RATE_HZ).sum().backward()  # loads the libraries
    movie = Coded(torch.randint(0, 3, (n_clips, frames, 83, 83), dtype=torch.uint8))
    before = peak_mb()
    model.voltage_of(movie, record.RATE_HZ, n_grey=n_grey).square().mean().backward()
    case = {**case, "compute": model.hidden.compute}
    return {**case, "n_clips": n_clips, "peak_mb": peak_mb() - before, "mb_per_clip": (peak_mb() - before) / n_clips}


class Coded:
    """A movie in 8 bits, as the data set keeps it."""

    def __init__(self, codes) -> None:  # noqa: ANN001
        self.codes, self.n_frames = codes, codes.shape[1]

    def contrast(self, start: int, stop: int):  # noqa: ANN201
        """Contrast of the frames ``start..stop``."""
        return self.codes[:, start:stop].float() / 4 - 0.25


def main() -> None:
    """Measure every case in a fresh process and write the table."""
    options = record.arguments(__doc__, case=("", "one case as JSON, measured in this process"))
    if options.case:
        print(json.dumps(measure(json.loads(options.case))))
        return
    rows = []
    for case in CASES:
        command = [sys.executable, __file__, "--case", json.dumps(case)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        record.table(rows[-1:])
    record.write("memory", rows, peak="resident memory above that of the loaded program and the 8-bit movie")


if __name__ == "__main__":
    main()
