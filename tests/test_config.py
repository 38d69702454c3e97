"""Configuration: every YAML file, and what is said of keys and values that cannot be."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stcnn.config import Config, compose, from_command_line, resumed, validate
from stcnn.errors import ConfigError, FileError
from stcnn.nn.bounds import Bounds
from stcnn.overrides import CONF
from stcnn.published import open_published
from stcnn.run_folder import Run
from stcnn.training.recipe import TrainingConfig

FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
HYDRA = ("defaults", "hydra")
PATHS = ["dataset.ca_path=ca", "dataset.mov_path=mov"]
COLUMNS = Path(__file__).parent / "support" / "columns.csv"
NEEDED = {
    "dataset/published.yaml": PATHS,
    "dataset/store.yaml": ["dataset.path=set.zarr"],
    "model/measured.yaml": [f"model.eye.arrangement.table={COLUMNS}"],
}


def chosen(file: str) -> list[str]:
    """The overrides that use a file of ``conf``, complete but for keys of the file itself."""
    choice = [] if "/" not in file else [file.removesuffix(".yaml").replace("/", "=")]
    return choice + NEEDED.get(file, [])


def keys(mapping: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all keys that name a field; a name of a cell type, a family of stimuli, a set or a movie does not."""
    for key, value in mapping.items():
        if path[-1:] not in (("cell_types",), ("families",), ("sets",), ("by_set",), ("repeats",)):
            yield (*path, key)
        if isinstance(value, Mapping) and (path[-1:] != ("cell_types",) or key == "default"):
            yield from keys(value, (*path, key))


def misspelt() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The last key of every section of every file."""
    for file in FILES:
        last = {path[:-1]: path for path in keys(yaml.safe_load((CONF / file).read_text())) if path[0] not in HYDRA}
        yield from ((file, path) for path in last.values())


@pytest.mark.parametrize("file", FILES)
def test_every_file_composes(file: str):
    config = compose(chosen(file))
    assert validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(("file", "path"), list(misspelt()), ids=lambda v: v if isinstance(v, str) else ".".join(v))
def test_every_key_of_every_file_is_missed_when_misspelt(file: str, path: tuple[str, ...], tmp_path: Path):
    shutil.copytree(CONF, tmp_path / "conf")
    text = (CONF / file).read_text()
    content = yaml.safe_load(text)
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1] + "x"] = parent.pop(path[-1])
    header = "# @package _global_\n" if text.startswith("# @package _global_") else ""
    (tmp_path / "conf" / file).write_text(header + yaml.safe_dump(content, sort_keys=False))
    arguments = [argument for argument in chosen(file) if not argument.startswith("model.")]  # it has no place then
    with pytest.raises(ConfigError) as error:
        compose(arguments, tmp_path / "conf")
    where = ".".join(path if header or "/" not in file else (Path(file).parent.name, *path))
    if path[-1] == "kind":  # without it there is nothing to be near to
        assert "kind' is missing" in str(error.value) or f"unknown key '{where}x'" in str(error.value)
    else:
        assert f"unknown key '{where}x' (did you mean '{path[-1]}'?)" in str(error.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("training.epoch=3", "unknown key 'training.epoch' (did you mean 'epochs'?)."),
        ("datset=simulated", "unknown key 'datset' (did you mean 'dataset'?)."),
        ("+sed=2", "unknown key 'sed' (did you mean 'seed'?)."),
        ("model=publishd", "model=publishd is not among the choices (did you mean 'published'?)."),
        (
            "model.hidden.filter.tau_ini_s=[1,2]",
            "unknown key 'model.hidden.filter.tau_ini_s' (did you mean 'tau_init_s'?).",
        ),
        (
            "model.cell_types.lc9.window=3",
            "unknown key 'model.cell_types.lc9.window' (did you mean 'window_columns'?).",
        ),
        ("dataset.kind=publishd", "'dataset.kind' is 'publishd' (did you mean 'published'?)."),
        ("batching.kind=clips", "'batching.kind' is 'clips', expected 'movies', 'presentations' or 'recordings'."),
        ("training.learning_rate=-1", "'training.learning_rate' is -1, expected greater than 0."),
        ("training=fast", "'training' is 'fast', expected a valid dictionary."),
        ("split.validation=1.5", "'split.validation' is 1.5, expected less than 1."),
        ("bounds.filter_tau_s=[2,1]", "'bounds.filter_tau_s' cannot be used: the lower bound 2.0 lies above the upper"),
        (
            "model.cell_types.lc4.window_columns=a",
            "'model.cell_types.lc4.window_columns' is 'a', expected a valid integer",
        ),
        ("dataset=published", "the key 'dataset.ca_path' is missing. Then mend 1 more."),
        ("training.epochs=1e30", "'training.epochs' is"),
        (
            "training.epochs=99999999999999",
            "'training.epochs' is 99999999999999, expected a number no larger than 1e+09.",
        ),
        ("bounds.filter_n=[0,1e30]", "'bounds.filter_n' is 1e+30, expected a number no larger than 1e+09."),
        ("batching.pre_grey_s=1e8", "'batching.pre_grey_s' is 100000000.0, expected less than or equal to 60."),
        ("dataset.n_trials=1e6", "'dataset.n_trials' is 1000000.0, expected less than or equal to 1000."),
        ("dataset.imaging.volume_rate_hz=1e8", "'dataset.imaging.volume_rate_hz' is 100000000.0, expected less"),
        ("dataset.early.rate_hz=1e7", "'dataset.early.rate_hz' is 10000000.0, expected less than or equal to 10000."),
        ("model.eye.lattice=[1000,1000]", "'model.eye.lattice' cannot be used: 1000 x 1000 columns are more than the"),
        ("model.hidden.stride=1e7", "'model.hidden.stride' is 10000000.0, expected less than or equal to 1000."),
        ("training.n_workers=100000", "'training.n_workers' is 100000, expected less than or equal to 256."),
        ("model.readout.bias_init=[1e300,1e300]", "'model.readout.bias_init' is 1e+300, expected a number no larger"),
        ("batching.loss_start_s=nan", "'batching.loss_start_s' is"),
        (
            "model=nan",
            "model=nan is not among the choices (valid names are default, hexagonal, light_levels, measured, "
            "no_temporal_filters, published, spikes, t5).",
        ),
        ("dataset=[1,2]", "dataset=[1,2] is not among the choices (valid names are"),
        ("model=null", "model=null is not among the choices"),
        ("dataset=-1", "dataset=-1 is not among the choices"),
        ("training.epochs", "'training.epochs' cannot be read as an override, expected KEY=VALUE"),
        ("model.hidden.channels=[1", "'model.hidden.channels=[1' cannot be read as an override"),
        ("model=default,published", "the configuration cannot be composed: Ambiguous value"),
    ],
)
def test_a_fault_on_the_command_line_is_one_sentence_with_the_full_path(override: str, sentence: str):
    with pytest.raises(ConfigError) as error:
        compose([override])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_several_faults_are_counted():
    with pytest.raises(ConfigError, match="Then mend 2 more"):
        compose(["training.epochs=0", "training.keep=beast", "seed=-1"])


def test_a_yaml_file_that_cannot_be_parsed_is_one_sentence(tmp_path: Path):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "model" / "default.yaml").write_text("eye: [1, 2\nhidden: }")
    with pytest.raises(ConfigError, match="cannot be composed"):
        compose([], tmp_path / "conf")


def test_the_defaults_in_the_yaml_are_those_of_the_code():
    config = compose()
    assert config.bounds == Bounds()
    assert config.training == TrainingConfig()


def test_published_brings_its_own_batching_and_optimiser_unless_told_otherwise():
    config = compose(["model=published"])
    assert (config.batching.kind, config.batching.batch_size) == ("recordings", 20)
    assert (config.training.learning_rate, config.training.clip_norm) == (5e-4, 0.05)
    assert config.training.schedule == "constant"
    assert compose(["model=published", "training.learning_rate=1e-3"]).training.learning_rate == 1e-3


def test_published_is_the_network_of_the_published_checkpoints(shared: Path):
    published, ours = open_published(shared / "reference" / "lc_small_3").config, compose(["model=published"]).model
    windows = {name: ours.cell_types[name] for name in published.cell_types}
    # Where the published program puts lattice and windows on any picture, ours has them on pictures of 83 pixels.
    placed = {name: each.model_copy(update={"grid": None}) for name, each in published.cell_types.items()}
    eye = published.eye.model_copy(update={"first_column_deg": None})
    published = published.model_copy(update={"eye": eye, "cell_types": placed})
    assert ours.model_copy(update={"cell_types": windows}) == published


def test_paths_of_the_data_are_kept_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    config = compose(["dataset=published", *PATHS])
    assert config.dataset.kind == "published"
    assert config.dataset.ca_path == tmp_path / "ca"


def resumable(folder: Path, config: Config) -> Run:
    return Run.create(folder, "run", config.saved())


def test_a_resumed_run_has_its_own_configuration_and_may_be_longer(tmp_path: Path):
    config = compose(["seed=7", "training.epochs=2"])
    run = resumable(tmp_path, config)
    again, same = resumed(run.path, [f"++resume={run.path}", "++training.epochs=5"])
    assert same == run
    assert again.seed == 7
    assert again.training.epochs == 5


def test_a_resumed_run_refuses_other_changes(tmp_path: Path):
    run = resumable(tmp_path, compose())
    with pytest.raises(ConfigError, match="'seed' cannot be changed in a training that is resumed"):
        resumed(run.path, ["resume=here", "++seed=3"])


def test_resume_of_something_that_is_not_a_run_is_one_sentence(tmp_path: Path):
    with pytest.raises(FileError, match=r"is not a run: it has no config\.yaml"):
        resumed(tmp_path, [])
    with pytest.raises(FileError, match="nowhere does not exist"):
        resumed(tmp_path / "nowhere", [])


def test_a_teacher_that_is_not_there_is_missed_before_a_run_folder_is_made(tmp_path: Path):
    runs = tmp_path / "runs"
    with pytest.raises(FileError, match="no_such_run"):
        compose([f"training.teacher={tmp_path / 'no_such_run'}", f"experiments_dir={runs}"])
    assert not runs.exists()


def test_hydra_leaves_the_loggers_of_others_on(capsys: pytest.CaptureFixture[str]):
    logger = logging.getLogger("stcnn.of_a_test")
    from_command_line(["seed=2"])
    assert not logger.disabled
