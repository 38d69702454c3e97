"""Keys of other programs are answered with ours, on the command line and in files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stcnn.command_line import main
from stcnn.config import Config, compose, validate
from stcnn.errors import ConfigError
from stcnn.foreign_keys import ANSWERS, CHOICES, foreign_key
from stcnn.key_paths import places


def sentence(override: str) -> str:
    with pytest.raises(ConfigError) as error:
        compose([override])
    return str(error.value)


@pytest.mark.parametrize("theirs", ANSWERS)
def test_every_answer_names_a_key_that_exists(theirs: str):
    answer, ours = ANSWERS[theirs], {place.path for place in places(Config)}
    assert set(answer.ours) <= ours
    assert answer.ours or answer.note
    for key in answer.ours:
        assert theirs != key, "a key of ours is no foreign one"


def test_every_foreign_key_is_answered_where_it_stands_alone():
    content = compose().model_dump(mode="json")
    for theirs in (key for key in ANSWERS if "." not in key):
        with pytest.raises(ConfigError) as error:
            validate({**content, theirs: 1})
        said = str(error.value)
        assert said.startswith(f"unknown key '{theirs}'; ")
        assert all(key in said for key in ANSWERS[theirs].ours)
        assert "\n" not in said


@pytest.mark.parametrize("choice", CHOICES)
def test_every_foreign_file_is_answered_with_a_choice_of_ours(choice: str):
    assert f"{choice} is not among the choices; here it is {CHOICES[choice]}" in sentence(choice)
    compose(["dataset=published", "dataset.ca_path=a", "dataset.mov_path=b", CHOICES[choice].split()[0]])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("lr=0.01", "unknown key 'lr'; here it is training.learning_rate."),
        ("+lr=0.01", "unknown key 'lr'; here it is training.learning_rate."),
        ("training.lr=0.01", "unknown key 'training.lr'; here it is training.learning_rate."),
        ("optimizer.lr=0.01", "unknown key 'optimizer'; here it is training.learning_rate."),
        ("batch_size=16", "unknown key 'batch_size'; here it is batching.batch_size."),
        ("n_epochs=40", "unknown key 'n_epochs'; here it is training.epochs."),
        ("expt_name=mine", "unknown key 'expt_name'; here it is name."),
        ("clip_param.pattern1.min=0.01", "here it is bounds.filter_tau_s or bounds.filter_n or"),
        ("dataset.sampling_rate=180", "unknown key 'dataset.sampling_rate'; here it is dataset.rate_hz."),
        ("dataset.num_t_pts_prepad=360", "here it is batching.pre_grey_s (in seconds: divide the frames by the"),
        ("model.pr.pr_sigma=[5,5]", "unknown key 'model.pr'; here it is model.eye.acceptance_fwhm_deg (it is the full"),
        ("model.network.t_kernel_size=900", "here it is model.hidden.filter.kernel_s (in seconds"),
        ("model.network.activation=relu", "here it is model.hidden.activation (one of identity, relu, leaky_relu"),
        ("model.network.x_stride=2", "unknown key 'model.network'; here it is model.hidden.stride."),
        ("model.network.x_padding=same", "here it is model.hidden.padding (rows and columns beyond the edge: valid"),
        ("model.lobula.activation=relu", "here it is model.readout.activation (one of identity, relu"),
        ("model.lobula.x_stride=9", "here it is model.cell_types.NAME.grid.stride (or model.readout.centre"),
        ("model.lc11.x_padding=[0,0]", "here it is model.cell_types.NAME.grid.padding (rows and columns"),
        ("model.hidden.nonlinearity=relu", "here it is model.hidden.activation (one of"),
        ("model.lobula.t_kernel_size=900", "here it is model.readout.filter.kernel_s (in seconds"),
        ("model.ca.t_kernel_size=900", "here it is model.calcium.filter.kernel_s (in seconds"),
        ("model.ca.use_global_ca_tau=false", "here it is model.calcium.tau (global or per_type)."),
        ("model.lc11.x_kernel_size=[9,9]", "here it is model.cell_types.NAME.window_columns (NAME is the cell type)."),
        (
            "model.hidden.filter.tau_init=[-2,-1]",
            "; here it is model.hidden.filter.tau_init_s (in seconds: -2 there is 0.01 here).",
        ),
        ("print_freq=20", "unknown key 'print_freq'; there is none like it here: losses.csv has the loss of every"),
        ("weight_decay=0.1", "unknown key 'weight_decay'; there is none like it here: Adam is used without weight"),
        # ours, in the wrong place
        ("epochs=3", "unknown key 'epochs'; here it is training.epochs."),
        ("batching.learning_rate=1", "unknown key 'batching.learning_rate'; here it is training.learning_rate."),
        ("ca_path=here", "unknown key 'ca_path'; here it is dataset.ca_path."),
        ("dataset.ca_path=here", "unknown key 'dataset.ca_path'; it belongs to dataset=published."),
        ("model.hidden.filter.n_init=[1,1]", "it belongs to model.hidden.filter.kind=power_exponential."),
        ("seeds=3", "unknown key 'seeds' (did you mean 'seed'?)."),
    ],
)
def test_what_is_said(override: str, said: str):
    assert said in sentence(override)


def test_further_faults_are_counted_behind_the_answer():
    with pytest.raises(ConfigError, match=r"here it is training.learning_rate. Then mend 1 more\."):
        compose(["lr=0.01", "n_epochs=3"])


def test_in_a_file_they_are_answered_as_well(tmp_path: Path):
    content = compose().model_dump(mode="json")
    content["training"]["lr"] = 0.01
    with pytest.raises(ConfigError, match=r"unknown key 'training.lr'; here it is training.learning_rate\."):
        validate(content)


def test_the_command_ends_with_the_sentence_and_status_2(capsys: pytest.CaptureFixture[str]):
    assert main(["lr=0.01"]) == 2
    assert capsys.readouterr().err == "unknown key 'lr'; here it is training.learning_rate.\n"
    assert main(["model=stcnn_exp_leakyrelu_bn"]) == 2
    assert "here it is model=published." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "ours"),
    [("--lr", "training.learning_rate"), ("--batch-size=4", "batching.batch_size"), ("--seed", "seed")],
)
def test_options_of_other_programs_are_answered_too(option: str, ours: str, capsys: pytest.CaptureFixture[str]):
    assert main([option, "3"]) == 2
    assert (
        capsys.readouterr().err
        == f"'{option}' is no option; here it is {ours}, expected KEY=VALUE, for instance seed=2.\n"
    )


def test_options_that_exclude_each_other_are_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert main(["--multirun", "--cfg", "job", "seed=1,2"]) == 2
    assert "'--cfg' cannot be given with --multirun" in capsys.readouterr().err


def leaves(content: Mapping, path: str = "") -> Iterator[str]:
    for name, value in content.items():
        if isinstance(value, Mapping) and name != "data_count":
            yield from leaves(value, f"{path}{name}.")
        else:
            yield path + name


def test_every_key_of_a_published_config_json_has_an_answer(shared: Path):
    described = json.loads((shared / "reference" / "lc_small_3" / "config.json").read_text())
    ours = places(Config)
    assert not [key for key in leaves(described) if foreign_key(key, 1, ours) is None]
