"""Time of one training step and of inference per clip of 11 s, for every path, against the direct form in the same run.

Paths: ``direct`` is the naive model of tests/reference, which does the work of the published program; ``recurrence``
only exchanges its temporal convolutions (layer by layer through autograd); ``fused`` and ``native`` are one function
for the whole stack; ``shared`` computes the grey frames all clips start with once. The direct form is measured on one
clip (its time per clip does not depend on how many there are, and four of them take ten minutes) before and after the
others; the shorter time counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import record
import torch
from direct_form import direct_calls
from torch import Tensor

from stcnn.nn.hidden_stack import Compute, HiddenStack
from stcnn.nn.model import STCNN

AT_LEAST_S = 6.0
"""Quick calls are repeated for so long: one of the direct form sees the machine for half a minute."""


def our_calls(model: STCNN, contrast: Tensor, path: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return the training step and the inference of one of our paths."""
    form, _, shared = path.partition("+")
    stack: HiddenStack = model.hidden
    n_grey = record.N_GREY if shared else 0

    def step() -> None:
        model.train()
        stack.compute = cast(Compute, "reference" if form == "recurrence" else form)
        model.zero_grad()
        model.voltage_of(contrast, record.RATE_HZ, n_grey=n_grey).square().mean().backward()

    @torch.no_grad()
    def infer() -> None:
        model.eval()
        # The fused form is for training; evaluation in PyTorch is the folded form for all.
        stack.compute = "reference" if form == "recurrence" else "auto" if form == "native" else "triton"
        model.voltage_of(contrast, record.RATE_HZ, n_grey=n_grey)

    return step, infer


def main() -> None:
    """Measure and write the table."""
    options = record.arguments(
        __doc__,
        batch=([1, 4, 16], "clips per step"),
        paths=(["recurrence", "torch", "torch+shared"], "paths to measure beside the direct one"),
        repeats=(3, "timed calls, of which the shortest counts"),
    )
    model = record.published_size_model()
    direct = direct_calls(model, record.clips(1))
    times = [[record.seconds(call, 1) for call in direct]]
    rows = []
    for n_clips in options.batch:
        contrast = record.clips(n_clips)
        for path in options.paths:
            if path == "recurrence" and n_clips > 4:  # a gigabyte per clip
                continue
            calls = our_calls(model, contrast, path)
            train_s, infer_s = (record.seconds(call, options.repeats, AT_LEAST_S) / n_clips for call in calls)
            rows.append({"path": path, "clips": n_clips, "train_s": train_s, "infer_s": infer_s})
            record.table(rows[-1:])
    times.append([record.seconds(call, 1) for call in direct])
    train_s, infer_s = (min(both) for both in zip(*times, strict=True))
    rows.insert(0, {"path": "direct", "clips": 1, "train_s": train_s, "infer_s": infer_s})
    ratios = [{"train_ratio": train_s / row["train_s"], "infer_ratio": infer_s / row["infer_s"]} for row in rows]
    rows = [{**row, **ratio} for row, ratio in zip(rows, ratios, strict=True)]
    record.write("paths", rows, n_frames=record.N_FRAMES, n_grey=record.N_GREY, seconds="per clip", direct_s=times)


if __name__ == "__main__":
    main()
