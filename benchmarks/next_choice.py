"""Time from a trace that came in to the next stimulus, in a closed loop.

    python benchmarks/next_choice.py

As many stimuli, samples and unknown numbers as ``benchmarks/design.py`` has: 95 stimuli of 13 samples, 24 of 25 and 8
of 100, with 65 unknown numbers of one unit. The features are random, so that every stimulus has its full rank.
"""

from __future__ import annotations

import time

import numpy as np
from record import arguments, write

from stcnn.experiments.design import CRITERIA, Candidates, ClosedLoop
from stcnn.experiments.design.gaussian import compressed

SAMPLES = [13] * 95 + [25] * 24 + [100] * 8
N_UNKNOWN = 65


def offered(rng: np.random.Generator) -> Candidates:
    features = tuple(rng.standard_normal((n, N_UNKNOWN)) * 0.3 for n in SAMPLES)
    expected = tuple(np.zeros(n) for n in SAMPLES)
    rows = compressed([0.26 * x for x in features])[:, None]
    names = tuple(map(str, range(len(SAMPLES))))
    return Candidates(names, np.array(SAMPLES) / 10, ("unit",), np.ones(1), (expected,), (features,), rows, 10.0)


def main() -> None:
    options = arguments(__doc__, steps=(60, "presentations"), seed=(0, ""))
    rng = np.random.default_rng(options.seed)
    found = offered(rng)
    rows = []
    for name, criterion in CRITERIA.items():
        loop = ClosedLoop(found, criterion)
        times_ms = []
        for _ in range(options.steps):
            shown = loop.next()
            trace = rng.standard_normal(SAMPLES[int(shown)])
            start = time.process_time()
            loop.tell(shown, {"unit": trace})
            loop.next()
            times_ms.append(1e3 * (time.process_time() - start))
        rows.append({"criterion": name, "median_cpu_ms": float(np.median(times_ms)), "most_cpu_ms": max(times_ms)})
    write("next_choice", rows, n_stimuli=len(SAMPLES), n_unknown=N_UNKNOWN)


if __name__ == "__main__":
    main()
