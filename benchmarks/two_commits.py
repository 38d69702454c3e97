"""One checkout against another: CPU time of training, evaluation and a stream, and peak memory, in turns.

    python benchmarks/two_commits.py BEFORE AFTER

Each round measures both, one after the other, in processes of their own with one thread. CPU time is disturbed less by
other programs than time on the clock; of each number the smallest of all rounds counts, and what is written is the
ratio after / before. A published clip has 11 s, the first 4 of them grey.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import record

MEASURE = """
import json, resource, sys, time
sys.path.insert(0, "benchmarks")
import record, torch
torch.set_num_threads(1)

def cpu_s(call, repeats):
    call()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)

found = {}
model = record.published_size_model()
contrast = record.clips(1)
for compute in ("native", "torch"):
    model.hidden.compute = compute
    def step():
        model.train().zero_grad()
        model.voltage_of(contrast, record.RATE_HZ, n_grey=record.N_GREY).square().mean().backward()
    found[f"training step, {compute}"] = cpu_s(step, 2)
    found[f"memory after training, {compute} (kB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    def infer():
        with torch.no_grad():
            model.eval().voltage_of(contrast, record.RATE_HZ, n_grey=record.N_GREY)
    found[f"evaluation of a clip, {compute}"] = cpu_s(infer, 3)
model.hidden.compute = "native"
stream = model.eval().stream(rate_hz=record.RATE_HZ)
frames = [frame.numpy() + 0.5 for frame in contrast[0, 720:1120]]
def live():
    for frame in frames:
        stream.step(frame)
found["400 frames of a stream, native"] = cpu_s(live, 3)
start = time.process_time()
record.published_size_model()
found["a network made"] = time.process_time() - start
print(json.dumps(found))
"""


def measured(checkout: Path) -> dict[str, float]:
    """Return the numbers of one checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE], check=True, cwd=checkout, env=environment, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure in turns and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {"before": [], "after": []}
    for _ in range(given.rounds):
        for name, checkout in (("before", given.before), ("after", given.after)):
            runs[name].append(measured(checkout.resolve()))
    rows = []
    for what in runs["before"][0]:
        before, after = (min(run[what] for run in runs[name]) for name in ("before", "after"))
        rows.append({"what": what, "before": before, "after": after, "ratio": after / before})
    commits = {
        name: subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], check=True, cwd=checkout, capture_output=True, text=True
        ).stdout.strip()
        for name, checkout in (("before", given.before), ("after", given.after))
    }
    record.write("two_commits", rows, commits=commits, rounds=given.rounds)


if __name__ == "__main__":
    main()
