"""The YAML of a sweep becomes overrides of trainings; what cannot be is one sentence."""

import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stcnn.config import compose, composed_values
from stcnn.errors import ConfigError
from stcnn.sweep import read_spec
from stcnn.sweep.spec import SweepSpec
from stcnn.sweep.tasks import override_value, points_of


def written(folder: Path, text: str) -> Path:
    path = folder / "depth.yaml"
    path.write_text(text)
    return path


def test_runs_are_all_combinations_and_each_composes(tmp_path: Path):
    spec = read_spec(
        written(
            tmp_path,
            """
base: [training.steps=40]
datasets:
  stripes: [dataset=t4_stripes]
  made_up: [dataset=simulated, dataset.n_animals=2]
grid:
  model.hidden.channels: [[8], [8, 4]]
  training.learning_rate: [1e-3]
points:
  - {batching.batch_size: 4}
  - {batching.batch_size: 8, training.patience: null}
folds: 3
seeds: [5, 7]
""",
        )
    )
    points = points_of(spec)
    assert spec.name == "depth"
    assert len(points) == len(set(point.overrides for point in points)) == 2 * 2 * 1 * 2 * 3 * 2
    last = points[-1]
    assert last.axes == {
        "dataset": "made_up",
        "model.hidden.channels": "[8,4]",
        "training.learning_rate": "1e-3",
        "batching.batch_size": "8",
        "training.patience": "null",
        "fold": "2",
        "seed": "7",
    }
    config = compose(last.overrides)
    assert config.model.hidden.channels == (8, 4)
    assert (config.seed, config.split.fold, config.split.folds) == (7, 2, 3)
    assert (config.training.learning_rate, config.training.patience, config.training.steps) == (1e-3, None, 40)
    assert len({compose(point.overrides).task_name() for point in points[:8]}) == 8


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed: [1, 2]", "unknown key 'seed', expected one of name, base"),
        ("where: {kind: pbs}", "'where'.*'pbs'"),
        ("where: {kind: slurm, queue: a}", r"unknown key 'where.queue', expected one of time_min"),
        ("folds: 1", "'folds': input should be greater than or equal to 2"),
        ("grid: {seed: []}", "grid.seed has no values"),
        ("base: [seed=5]", "base has a seed, and seeds says which there are"),
        ("name: a/b", "'name': string should match pattern"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_fault_is_one_sentence(text: str, sentence: str, tmp_path: Path):
    with pytest.raises(Exception, match=sentence) as error:
        read_spec(written(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_key_on_two_axes_is_refused():
    with pytest.raises(ConfigError, match="the sweep 'x' has 'seed' on two axes"):
        points_of(SweepSpec(name="x", points=({"seed": 1},), seeds=2))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.text("abc XYZ_'\"\\=,:{}[]$()~é%", min_size=1, max_size=12).filter(lambda text: "${" not in text),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40)
@given(value=VALUES)
@example(value="\\")
@example(value="a\\'b\\\\")
def test_every_value_comes_through_hydra_as_it_was(value: object):
    found = composed_values([f"model.hidden.x={override_value(value)}"])["model"]["hidden"]["x"]
    assert same(found, value)


def same(found: object, value: object) -> bool:
    if isinstance(value, list):
        return isinstance(found, list) and len(found) == len(value) and all(map(same, found, value))
    return math.isclose(found, value) if isinstance(value, float) and isinstance(found, float) else found == value
