"""How long the default set of simulated recordings takes to make, and to take from the cache.

python benchmarks/simulated_set.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from record import arguments, seconds, write

from stcnn.simulation import SimulatedDataConfig, cached_simulation, simulate


def main() -> None:
    threads, config = arguments(__doc__).threads, SimulatedDataConfig()
    made_s = seconds(lambda: simulate(config).dataset, 1)
    with tempfile.TemporaryDirectory() as folder:
        cached_s = seconds(lambda: cached_simulation(config, Path(folder)).dataset, 2)
    data = simulate(config).dataset
    size = {"recordings": len(data), "movies": len(data.movies), "sha256": data.content_hash()}
    write("simulated_set", [{"threads": threads, "made_s": made_s, "from_cache_s": cached_s, **size}])


if __name__ == "__main__":
    main()
