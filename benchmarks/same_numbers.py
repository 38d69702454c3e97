"""The numbers of one seeded training of each recipe and engine, and of 20 predictions, kept and compared bit by bit.

A change of the layout of the code must not change a number on the same machine and compiler:

    python benchmarks/same_numbers.py write FILE      before the change
    python benchmarks/same_numbers.py compare FILE    after it; exits with 1 where a bit differs

With the published weights beside the checkout (``../shared``) their answers are among the predictions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

RECIPES = ("default", "published", "no_temporal_filters")
ENGINES = {"reference": ("reference", "modular"), "torch": ("torch",), "native": ("native",)}
"""Our name of an engine to what ``training.compute`` has called it, today's name first."""
SMALL = [
    "dataset.cell_types=[lc11,lplc2]",
    "dataset.n_animals=2",
    "model.hidden.channels=[3,4]",
    "training.epochs=1",
    "training.max_batches=2",
    "training.device=cpu",
    "batching.batch_size=3",
]
STIMULI = (
    *({"kind": "looming_disc", "r_over_v_s": r_over_v_s, "start_deg": 5.0} for r_over_v_s in (0.02, 0.04, 0.08, 0.16)),
    *(
        {"kind": "moving_bar", "width_deg": width, "speed_deg_s": 40.0, "direction_deg": 90.0}
        for width in (5.0, 10.0, 20.0, 40.0)
    ),
    *({"kind": "drifting_grating", "period_deg": period, "speed_deg_s": 30.0} for period in (15.0, 30.0)),
)


def digest(values: np.ndarray) -> str:
    """A number of 64 bits in hexadecimal by which arrays that differ in a bit differ."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def trained(recipe: str, engine: str, folder: Path) -> dict[str, str]:
    """Losses and weights of a short training."""
    from stcnn.config import compose
    from stcnn.errors import ConfigError
    from stcnn.training.fit import train

    for name in ENGINES[engine]:
        keys = [f"model={recipe}", *SMALL, f"training.compute={name}", f"experiments_dir={folder}"]
        try:
            config = compose(keys)
            break
        except ConfigError:
            continue
    else:
        return {}
    run = config.new_run()
    try:
        train(config.open_dataset(), config, run)
    except ConfigError as error:
        return {f"{recipe} {engine}": f"refused: {error.found.split(':')[0]}"}
    weights = run.checkpoint_weights(1)
    numbers = {f"{recipe} {engine} {name}": digest(value.numpy()) for name, value in sorted(weights.items())}
    return numbers | {f"{recipe} {engine} loss": digest(run.losses().loss.to_numpy())}


def predictions() -> dict[str, str]:
    """Answers of a drawn and of the published network to stimuli of the program."""
    from stcnn.config import compose
    from stcnn.nn.model import STCNN
    from stcnn.nn.population import Population
    from stcnn.stimuli import Screen, render

    torch.manual_seed(3)
    population = Population(neurons={"lc11": ("1",), "lplc2": ("1", "2")})
    models = {"default": STCNN(compose().model, population).eval()}
    shared = Path(__file__).resolve().parents[2] / "shared" / "reference" / "lc_small_3"
    if shared.is_dir():
        import stcnn

        models["published"] = stcnn.open_published(shared)
    numbers = {}
    for name, model in models.items():
        for i, stimulus in enumerate(STIMULI):
            movie = render(Screen(shape_px=(83, 83), deg_per_px=1.0, rate_hz=180.0, background=0.498), stimulus)
            for cell_type, answer in model.predict(movie, start="rest").items():
                numbers[f"{name} stimulus {i} {cell_type}"] = digest(np.asarray(answer))
    return numbers


def measured() -> dict[str, str]:
    """All numbers, by what they are."""
    numbers = predictions()
    with tempfile.TemporaryDirectory() as folder:
        for recipe in RECIPES:
            for engine in ENGINES:
                numbers |= trained(recipe, engine, Path(folder))
    return numbers


def main(what: str, file: str) -> int:
    """Write or compare; returns the exit status."""
    logging.disable(logging.INFO)
    found = measured()
    if what == "write":
        Path(file).write_text(json.dumps(found, indent=1))
        print(f"{len(found)} numbers in {file}")
        return 0
    before = json.loads(Path(file).read_text())
    different = sorted(name for name in before.keys() | found.keys() if before.get(name) != found.get(name))
    print("\n".join(different[:40]))
    print(f"{len(different)} of {len(before)} numbers differ")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
