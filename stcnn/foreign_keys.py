"""Keys of other programs, answered with ours: ``lr`` is ``training.learning_rate``.

Those of the published program (Klapoetke et al. 2022) are all here, as its YAML files, its command line and its
``config.json`` have them; of other programs the common ones. A key of ours that was given in the wrong place needs no
entry: it is found by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from stcnn.key_paths import Place

FRAMES = "in seconds: divide the frames by the frame rate"
EXPONENTS = "in seconds: -2 there is 0.01 here"
ACTIVATIONS = "one of identity, relu, leaky_relu, tanh, elu"
MARGIN = "rows and columns beyond the edge: valid is 0, same is half a kernel"
ONLY_ONE = "there is none like it here: a network has one input channel and one output per cell type"
COUNTED = "there is none like it here: the recordings are counted"


class Answer(NamedTuple):
    """Answer to a foreign key."""

    ours: tuple[str, ...] = ()
    """Our keys for it; none where there is nothing like it."""
    note: str = ""
    """Note on what else differs, or why there is none."""


def _is(*ours: str, note: str = "") -> Answer:
    return Answer(ours, note)


def _none(note: str) -> Answer:
    return Answer(note=note)


ANSWERS: Mapping[str, Answer] = {
    # the published command line and config.yaml
    "lr": _is("training.learning_rate"),
    "batch_size": _is("batching.batch_size"),
    "num_workers": _is("training.n_workers"),
    "shuffle_dataset": _is("training.shuffle"),
    "n_epochs": _is("training.epochs"),
    "clip_max_norm": _is("training.clip_norm"),
    "print_freq": _none("there is none like it here: losses.csv has the loss of every step"),
    "clip_param": _is(
        "bounds.filter_tau_s",
        "bounds.filter_n",
        "bounds.calcium_tau_s",
        "bounds.calcium_type_tau_s",
        note="each [lower, upper], null for none",
    ),
    "expt_path": _is("experiments_dir"),
    "expt_name": _is("name"),
    "experiment_path": _is("experiments_dir"),
    "data_count": _none(COUNTED),
    # its dataset
    "dataset_config": _is("dataset", note="choose dataset=published"),
    "avg_xTrials": _is("dataset.average_trials"),
    "sampling_rate": _is("dataset.rate_hz"),
    "mov_res": _is("dataset.deg_per_px"),
    "mov_bg_int": _is("dataset.background"),
    "movie_bg_intensity": _is("dataset.background"),
    "loss_meas_t_start": _is("batching.loss_start_s"),
    "num_t_pts_prepad": _is("batching.pre_grey_s", note=FRAMES + ", 360 at 180 Hz are 2"),
    # its layers: names of sections as in the YAML files, then as in config.json
    "pr": _is("model.eye"),
    "pr.ds_input": _is("dataset.deg_per_px"),
    "pr.pr_sigma": _is("model.eye.acceptance_fwhm_deg", note="it is the full width at half maximum"),
    "pr.x_kernel_size": _is("model.eye.window_deg", note="in degrees"),
    "pr.x_stride": _is("model.eye.column_spacing_deg", note="in degrees"),
    "pr.x_padding": _is("model.eye.lattice", "model.eye.centre_deg", note="the number of columns and their middle"),
    "pr.tau": _is("model.eye.tau_s"),
    "pr.t_kernel_size": _is("model.eye.filter.kernel_s", note=FRAMES),
    "network": _is("model.hidden"),
    "network.out_channels": _is("model.hidden.channels"),
    "network.x_kernel_size": _is("model.hidden.kernel_columns"),
    "network.tau_init": _is("model.hidden.filter.tau_init_s", note=EXPONENTS),
    "network.n_power_init": _is("model.hidden.filter.n_init", note="with model.hidden.filter.kind=power_exponential"),
    "network.x_stride": _is("model.hidden.stride"),
    "network.x_padding": _is("model.hidden.padding", note=f"{MARGIN}, as is null"),
    "network.activation": _is("model.hidden.activation", note=f"{ACTIVATIONS}, in front of all layers or of each"),
    "network.t_kernel_size": _is("model.hidden.filter.kernel_s", note=FRAMES),
    "network.init_amplitude_scale": _is("model.hidden.weight_init", note="times the square root of 2"),
    "network.config_type": _is("model.hidden.filter.kind", note="exponential, power_exponential or none"),
    "lobula": _is("model.readout"),
    "lobula.lc_types": _is("dataset.cell_types"),
    "lobula.x_kernel_size": _is("model.cell_types.NAME.window_columns", note="NAME is the cell type"),
    "lobula.x_stride": _is("model.cell_types.NAME.grid.stride", note="or model.readout.centre, the place that is read"),
    "lobula.x_padding": _is("model.cell_types.NAME.grid.padding", note=MARGIN),
    "lobula.tau_init": _is("model.readout.filter.tau_init_s", note=EXPONENTS),
    "lobula.activation": _is("model.readout.activation", note=ACTIVATIONS),
    "lobula.t_kernel_size": _is("model.readout.filter.kernel_s", note=FRAMES),
    "lobula.init_amplitude_scale": _is("model.readout.weight_init", note="times the square root of 2"),
    "lobula.bias_init": _is("model.readout.bias_init"),
    "ca": _is("model.calcium"),
    "ca.gcamp_tau": _is("model.calcium.tau_init_s"),
    "ca.alpha_init": _is("model.calcium.offset_init", note="alpha is the offset"),
    "ca.beta_init": _is("model.calcium.gain_init", note="beta is the gain before its softplus"),
    "ca.activation": _is("model.calcium.rectifier"),
    "ca.cell_types": _is("dataset.cell_types"),
    "ca.use_global_ca_tau": _is("model.calcium.tau", note="global or per_type"),
    "ca.t_kernel_size": _is("model.calcium.filter.kernel_s", note=FRAMES),
    "in_channels": _none(ONLY_ONE),
    "out_channels": _is("model.hidden.channels"),
    "layer_name": _none("there is none like it here: layers have no names"),
    "config_type": _is("model.hidden.filter.kind", note="exponential, power_exponential or none"),
    "ds_input": _is("dataset.deg_per_px"),
    "pr_sigma": _is("model.eye.acceptance_fwhm_deg", note="it is the full width at half maximum"),
    "n_power_init": _is("model.hidden.filter.n_init", note="with model.hidden.filter.kind=power_exponential"),
    "init_amplitude_scale": _is("model.hidden.weight_init", "model.readout.weight_init"),
    "lc_types": _is("dataset.cell_types"),
    "lc_count": _none(COUNTED),
    "cell_count": _none(COUNTED),
    "gcamp_tau": _is("model.calcium.tau_init_s"),
    "ca_tau": _is("model.calcium.tau_init_s"),
    "alpha_init": _is("model.calcium.offset_init", note="alpha is the offset"),
    "beta_init": _is("model.calcium.gain_init", note="beta is the gain before its softplus"),
    "use_global_ca_tau": _is("model.calcium.tau", note="global or per_type"),
    "x_kernel_size": _is("model.hidden.kernel_columns", "model.cell_types.NAME.window_columns"),
    "x_stride": _is("model.hidden.stride", "model.cell_types.NAME.grid.stride"),
    "x_padding": _is("model.hidden.padding", "model.cell_types.NAME.grid.padding", note=MARGIN),
    "t_kernel_size": _is("model.hidden.filter.kernel_s", "model.readout.filter.kernel_s", note=FRAMES),
    "tau_init": _is("model.hidden.filter.tau_init_s", "model.readout.filter.tau_init_s", note=EXPONENTS),
    "activation": _is("model.hidden.activation", "model.readout.activation", note=ACTIVATIONS),
    # what other programs call such things
    "max_epochs": _is("training.epochs"),
    "num_epochs": _is("training.epochs"),
    "num_train_epochs": _is("training.epochs"),
    "train_batch_size": _is("batching.batch_size"),
    "batchsize": _is("batching.batch_size"),
    "base_lr": _is("training.learning_rate"),
    "step_size": _is("training.learning_rate"),
    "lr_scheduler": _is("training.schedule"),
    "scheduler": _is("training.schedule"),
    "lr_schedule": _is("training.schedule"),
    "warmup": _is("training.warmup_steps"),
    "n_warmup_steps": _is("training.warmup_steps"),
    "beta1": _is("training.betas", note="[first, second]"),
    "beta2": _is("training.betas", note="[first, second]"),
    "optimizer": _none("there is none like it here: the optimiser is Adam, set by training.learning_rate and betas"),
    "optimiser": _none("there is none like it here: the optimiser is Adam, set by training.learning_rate and betas"),
    "weight_decay": _none("there is none like it here: Adam is used without weight decay"),
    "momentum": _is("training.betas", "model.hidden.norm.momentum", note="of Adam, or of the batch normalisation"),
    "grad_clip": _is("training.clip_norm"),
    "gradient_clip_val": _is("training.clip_norm"),
    "max_grad_norm": _is("training.clip_norm"),
    "shuffle": _is("training.shuffle"),
    "n_jobs": _is("training.n_workers"),
    "workers": _is("training.n_workers"),
    "accelerator": _is("training.device"),
    "gpu": _is("training.device", note="auto, cpu or gpu"),
    "use_gpu": _is("training.device", note="auto, cpu or gpu"),
    "cuda": _is("training.device", note="auto, cpu or gpu"),
    "dtype": _is("training.precision"),
    "random_seed": _is("seed"),
    "random_state": _is("seed"),
    "rng_seed": _is("seed"),
    "fs": _is("dataset.rate_hz"),
    "hz": _is("dataset.rate_hz"),
    "fps": _is("dataset.rate_hz"),
    "frame_rate": _is("dataset.rate_hz"),
    "framerate": _is("dataset.rate_hz"),
    "sample_rate": _is("dataset.rate_hz"),
    "dt": _is("dataset.rate_hz", note="frames per second, one over dt"),
    "data_path": _is("dataset.path", "dataset.ca_path", note="of a store, or of published recordings"),
    "data_dir": _is("dataset.path", "dataset.ca_path", note="of a store, or of published recordings"),
    "dataset_path": _is("dataset.path", "dataset.ca_path", note="of a store, or of published recordings"),
    "ca_dir": _is("dataset.ca_path"),
    "movie_path": _is("dataset.mov_path"),
    "mov_dir": _is("dataset.mov_path"),
    "stimulus_path": _is("dataset.mov_path"),
    "background_intensity": _is("dataset.background"),
    "output_dir": _is("experiments_dir"),
    "out_dir": _is("experiments_dir"),
    "save_dir": _is("experiments_dir"),
    "save_path": _is("experiments_dir"),
    "log_dir": _is("experiments_dir"),
    "experiment_name": _is("name"),
    "exp_name": _is("name"),
    "run_name": _is("name"),
    "resume_from": _is("resume"),
    "resume_from_checkpoint": _is("resume"),
    "ckpt_path": _is("resume", "init_from", note="to go on with a run, or to start a new one from weights"),
    "checkpoint": _is("resume", "init_from", note="to go on with a run, or to start a new one from weights"),
    "pretrained": _is("init_from"),
    "pretrained_path": _is("init_from"),
    "load_from": _is("init_from"),
    "weights": _is("init_from"),
    "init_weights": _is("init_from"),
    "val_split": _is("split.validation"),
    "validation_split": _is("split.validation"),
    "val_fraction": _is("split.validation"),
    "test_split": _is("split.test"),
    "n_layers": _is("model.hidden.channels", note="one number per layer"),
    "num_layers": _is("model.hidden.channels", note="one number per layer"),
    "hidden_channels": _is("model.hidden.channels"),
    "kernel_size": _is("model.hidden.kernel_columns"),
    "nonlinearity": _is("model.hidden.activation", "model.readout.activation", note=ACTIVATIONS),
    "strides": _is("model.hidden.stride"),
    "paddings": _is("model.hidden.padding", note=MARGIN),
    "negative_slope": _is("model.hidden.slope", "model.readout.slope"),
    "batch_norm": _is("model.hidden.norm.kind", note="batch, divisive or none"),
    "batchnorm": _is("model.hidden.norm.kind", note="batch, divisive or none"),
    "tau": _is("model.hidden.filter.tau_init_s", "model.calcium.tau_init_s", note="in seconds"),
    "ensemble_size": _is("n_models"),
    "num_models": _is("n_models"),
}
"""Our answer to each foreign key; a path where the section it stands in makes a difference."""

SECTIONS: Mapping[str, str] = {"pr_config": "pr", "network_config": "network", "L_config": "lobula", "ca_config": "ca"}
"""Sections of ``config.json`` under their name in the YAML files."""

OF_A_TYPE = ("x_kernel_size", "x_stride", "x_padding")
"""Keys that each cell type has in the published YAML files."""

CHOICES: Mapping[str, str] = {
    "model=stcnn_exp_leakyrelu_bn": "model=published",
    "model=lc_small": "model=published",
    "dataset=lc_small": "dataset=published with dataset.ca_path=FOLDER and dataset.mov_path=FOLDER",
}
"""Our name for each published file of a group."""


def foreign_key(path: str, value: object, ours: Iterable[Place]) -> Answer | None:
    """Say what a key that is unknown here means here.

    Args:
        path: the unknown key as it was given.
        value: its value; of a section, what it holds says which key was meant.
        ours: all keys there are.

    Returns:
        Our keys for it and a remark; None where it is foreign to us altogether.
    """
    for given in _leaves(path, value):
        if found := _foreign(given):
            beside = tuple(key for key in found.ours if key.rpartition(".")[0] == given.rpartition(".")[0])
            return found._replace(ours=beside or found.ours)
    return _elsewhere(path, ours)


def _foreign(path: str) -> Answer | None:
    """The answer to the longest end of a path that has one."""
    parts = [SECTIONS.get(part, part) for part in path.split(".")]
    if parts[-1] in OF_A_TYPE and len(parts) > 1 and parts[-2] not in ("pr", "network"):
        parts[-2] = "lobula"  # in the published files such a section is named after the cell type
    ends = (".".join(parts[first:]) for first in range(len(parts)))
    return next((found for end in ends if (found := ANSWERS.get(end) or ANSWERS.get(end.lower()))), None)


def _leaves(path: str, value: object) -> Iterator[str]:
    """Paths of the values below a key, then the key itself."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _leaves(f"{path}.{name}", below)
    yield path


def _elsewhere(path: str, ours: Iterable[Place]) -> Answer | None:
    """A key of ours with that name in another place, or one that another choice would bring."""
    name = path.rpartition(".")[2]
    found = [place for place in ours if place.path.rpartition(".")[2] == name]
    for place in found:
        if place.path == path and place.kinds:
            chosen = (
                f"{key.removesuffix('.kind') if key == 'dataset.kind' else key}={kind}" for key, kind in place.kinds
            )
            return _none(f"it belongs to {' and '.join(chosen)}")
    names = tuple(dict.fromkeys(place.path for place in found))
    return Answer(names) if 0 < len(names) <= 3 else None
