"""``step.onnx``, one frame at a time, and ``clip.onnx``, clips of any length, for every program that reads ONNX.

Both are exported from one function, :class:`~stcnn.export.step_network.StepNetwork`; the clip is a Scan over it. Inputs
are ``luminance`` and ``state``, whose default is the state after two seconds of grey; outputs are ``voltage``,
``calcium`` and ``state_after``. What they mean, and how far the answers are from ours, stands in the metadata.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stcnn.errors import ConfigError
from stcnn.export.probes import Answer, Difference, difference, probes
from stcnn.export.request import Request
from stcnn.export.source_networks import SourceNetworks
from stcnn.export.step_network import Clip
from stcnn.writing import atomic_folder

OPSET = 20
"""Version of ONNX's operators; onnxruntime reads it from 1.17 (2024) on."""
INPUTS = ["luminance", "state"]
OUTPUTS = ["voltage", "calcium", "state_after"]
LARGEST_DIFFERENCE = 1e-5
"""Of the largest answer, that an export may have from ours."""


def export(request: Request) -> Iterator[str]:
    """Write the two files into a folder; yield how far their answers are from ours.

    Raises:
        ConfigError: onnx is not installed, or the network has no form outside this program.
        FileError: the folder is there already, or cannot be written.
    """
    folder = request.folder("onnx")
    networks = SourceNetworks.of(request)
    yield from write_onnx(networks, folder)
    yield f"onnx form at {networks.rate_hz:g} Hz in {folder}"


def write_onnx(networks: SourceNetworks, folder: Path) -> list[str]:
    """Make a folder with ``step.onnx`` and ``clip.onnx``; return a sentence on the numbers of each."""
    require_onnx()
    said = []
    with atomic_folder(folder) as draft:
        draft.mkdir()
        for name in ("step", "clip"):
            found = write_file(networks, name, draft / f"{name}.onnx")
            said.append(
                f"{name}.onnx differs from our answers by {found.largest:.1e} of the largest at most (20 stimuli)"
            )
    return said


def write_file(networks: SourceNetworks, name: str, path: Path) -> Difference:
    """Write one of the two files with its facts; return how far its answers are from ours.

    Args:
        networks: what to write.
        name: ``step`` or ``clip``.
        path: of the file.
    """
    import onnx
    from onnx import numpy_helper

    step = networks.step
    program = _exported(step if name == "step" else Clip(step), networks.movie_px, name)
    proto = _without_traces(program.model_proto)
    proto.graph.initializer.append(numpy_helper.from_array(step.start.numpy(), "state"))
    onnx.save(proto, path)
    ask = step_answer(path) if name == "step" else clip_answer(path)
    clips = list(probes(networks.movie_px, networks.models[0].deg_per_px, networks.rate_hz))
    found = difference(ask, networks.our_answer(), clips)
    if not found.largest <= LARGEST_DIFFERENCE:  # also where one is not a number
        raise RuntimeError(f"{name}.onnx differs from our answers by {found.largest:.1e} of the largest")
    facts = networks.facts() | {
        "opset": OPSET,
        "difference_voltage": found.voltage,
        "difference_calcium": found.calcium,
        "difference_is": f"largest over the largest of our answers, {len(clips)} stimuli",
    }
    onnx.helper.set_model_props(proto, {"stcnn": json.dumps(facts)})
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    return found


def _exported(module: nn.Module, movie_px: tuple[int, int], name: str) -> Any:  # noqa: ANN401 - an ONNXProgram
    """Export a step or a clip."""
    state = module.get_buffer("step.start" if name == "clip" else "start")
    frames = torch.zeros((3, *movie_px) if name == "clip" else movie_px)
    length = ({0: torch.export.Dim("frames", min=1)}, None) if name == "clip" else None
    with quiet(), torch.no_grad():
        return torch.onnx.export(
            module,
            (frames, state),
            dynamo=True,
            dynamic_shapes=length,
            input_names=INPUTS,
            output_names=OUTPUTS,
            opset_version=OPSET,
            verbose=False,
        )


def _without_traces(proto: Any) -> Any:  # noqa: ANN401 - a ModelProto
    """Take away where in the source of PyTorch each operation comes from."""
    graphs = [proto.graph]
    while graphs:
        graph = graphs.pop()
        for item in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
            del item.metadata_props[:]
            item.ClearField("doc_string")
        graphs += [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return proto


@contextmanager
def quiet() -> Iterator[None]:
    """Keep from the user what the exporter says of itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def opened(path: Path) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """Open a file in onnxruntime, on one core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it warns of inputs that have a default
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def step_answer(path: Path) -> Answer:
    """Return what ``step.onnx`` answers, frame by frame."""
    session = opened(path)

    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        voltages = []
        calciums = []
        fed: dict[str, NDArray[Any]] = {}
        for frame in clip:
            voltage, calcium, fed["state"] = session.run(None, {"luminance": frame, **fed})
            voltages.append(voltage)
            calciums.append(calcium)
        return np.stack(voltages), np.stack(calciums)

    return answer


def clip_answer(path: Path) -> Answer:
    """Return what ``clip.onnx`` answers."""
    session = opened(path)

    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        voltage, calcium, _ = session.run(None, {"luminance": clip})
        return voltage, calcium

    return answer


def require_onnx() -> None:
    """Raise a ConfigError where a package is missing that ONNX needs."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise ConfigError(
                f"the form onnx needs the package {package}, which is not installed",
                remedy="install it with: pip install 'stcnn[export]'",
            )
