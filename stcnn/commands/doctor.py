"""``stcnn doctor``: what this machine can do for the network, and what it gains by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from stcnn.nn.hidden_stack import Compute
    from stcnn.nn.model import STCNN

app = typer.Typer(help="What this machine can do.")

N_FRAMES = 256
"""Frames of the measured clip: enough for the threads of a few cores, and a second in PyTorch."""
UNITS = {"__AVX512F__": "AVX-512", "__AVX2__": "AVX2", "__AVX__": "AVX", "__ARM_NEON": "NEON", "__SSE2__": "SSE2"}
"""Macro that the compiler predefines, and the vector unit it means; the best first."""


@app.command()
def doctor(
    measure: Annotated[
        bool, typer.Option(help="Also measure what compiled code gains; compiles it if need be.")
    ] = True,
) -> None:
    """Show hardware and available backends, and how much faster they are than plain PyTorch."""
    facts = {**versions(), **processor(), **compiled_core(), **gpu()}
    for name, fact in facts.items():
        typer.echo(f"{name:<10} {fact}")
    typer.echo("\nWhat can compute a network here:")
    for line in table(ways()):
        typer.echo(f"  {line}")
    if measure:
        typer.echo(f"\nA network of the published size, {N_FRAMES} frames of one clip:")
        for sentence in gains():
            typer.echo(f"  {sentence}")


def versions() -> dict[str, str]:
    """Return the versions that matter."""
    from stcnn.training.environment import environment

    facts = environment()
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return {"stcnn": f"{facts['stcnn']}, Python {facts['python']}", "packages": packages, "system": facts["system"]}


def processor() -> dict[str, str]:
    """Return the processor, its cores and its vector unit."""
    from stcnn.nn.kernels.native.compile import NotCompiled, machine
    from stcnn.training.environment import environment

    facts = environment()
    try:
        found = machine().decode(errors="replace")
        unit = next((unit for macro, unit in UNITS.items() if f"#define {macro} " in found), "no vector unit")
    except NotCompiled:
        unit = "vector unit unknown without a compiler"
    cores = f"{facts['n_cores']} cores, {facts['n_threads']} threads of PyTorch"
    return {"processor": f"{facts['cpu']}, {unit}, {cores}"}


def compiled_core() -> dict[str, str]:
    """Return the compiler and what it has compiled; or what is lost without one."""
    from stcnn.nn.kernels.native.compile import cache_folder, compiler, why_unavailable

    reason = why_unavailable()
    if reason:
        return {"compiler": f"{reason}: training, evaluation and streams run in PyTorch, several times slower"}
    found = list(cache_folder().glob("*.so"))
    megabytes = sum(file.stat().st_size for file in found) / 1e6
    stored = f"{len(found)} libraries ({megabytes:.1f} MB) in {cache_folder()}" if found else "nothing compiled so far"
    return {"compiler": " ".join(compiler()), "compiled": stored}


def gpu() -> dict[str, str]:
    """Return the GPUs and whether Triton is there for them."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    try:
        triton = f"Triton {version('triton')}"
    except PackageNotFoundError:
        triton = "Triton is not installed"
    return {
        "GPU": f"{', '.join(names)}; {triton}" if names else f"none that PyTorch {torch.__version__} can use; {triton}"
    }


class Way(NamedTuple):
    """One way of computing a network."""

    task: str
    name: str
    """As in ``training.compute``."""
    reason: str | None
    """Why it cannot run here; None if it can."""


def ways() -> list[Way]:
    """Return every engine and evaluator, for each task in the order in which ``compute=auto`` asks them."""
    from stcnn.nn.inference.evaluator import EVALUATORS
    from stcnn.nn.stack import ENGINES

    engines = [Way("training", name, engine.why_unavailable()) for name, engine in ENGINES.items()]
    evaluators = [Way("evaluation", name, why_unavailable()) for name, why_unavailable in EVALUATORS.items()]
    return [*engines, Way("training", "reference", None), *evaluators, Way("evaluation", "reference", None)]


def table(found: list[Way]) -> list[str]:
    """Return a line for each way of computing: whether it can run here, whether it is taken, or why not."""
    taken = {task: next(way.name for way in found if way.task == task and not way.reason) for task, *_ in found}
    lines = []
    for task, name, reason in found:
        says = reason or ("taken by compute=auto for large networks" if taken[task] == name else "can be chosen")
        lines.append(f"{task:<10} {'✗' if reason else '✓'} {name:<9} {says}")
    return lines


def gains() -> list[str]:
    """Measure training, evaluation and a stream in PyTorch and as ``compute=auto`` chooses; return sentences."""
    from stcnn.nn.model import STCNN
    from stcnn.nn.model_config import ModelConfig
    from stcnn.nn.population import Population

    model = STCNN(ModelConfig(), Population(neurons={"average": ("neuron",)}))
    tasks = {"a training step": training_step, "evaluation": evaluation, "a frame of a stream": single_frame}
    sentences = []
    for task, made in tasks.items():
        plain, chosen = (fastest_ms(made(model, compute)) for compute in ("torch", "auto"))
        sentences.append(
            f"{task}: {chosen:.3g} ms, in plain PyTorch {plain:.3g} ms ({plain / chosen:.1f} times as long)"
        )
    return sentences


def training_step(model: STCNN, compute: Compute) -> Callable[[], object]:
    """Return a call that goes forwards and backwards once."""
    from stcnn.gradients import backward

    contrast = noise()

    def step() -> None:
        model.train().hidden.compute = compute
        backward(model.voltage_of(contrast, 180.0).square().mean())

    return step


def evaluation(model: STCNN, compute: Compute) -> Callable[[], object]:
    """Return a call that evaluates a clip."""
    from stcnn.nn.inference.evaluator import evaluator

    model.eval().hidden.compute = compute
    network = evaluator(model, 180.0)
    contrast = noise()
    return lambda: network.push(contrast)


def single_frame(model: STCNN, compute: Compute) -> Callable[[], object]:
    """Return a call that shows one frame to a stream."""
    model.eval().hidden.compute = compute
    stream = model.stream(start="rest")
    frame = noise()[0, 0].numpy() + 0.498
    return lambda: stream.step(frame)


def noise() -> Tensor:
    """Return contrast ``(1, T, Y, X)``."""
    import torch

    return torch.rand(1, N_FRAMES, 83, 83, generator=torch.Generator().manual_seed(0)) - 0.498


def fastest_ms(call: Callable[[], object], within_s: float = 0.2) -> float:
    """Return the shortest of some calls, behind a first one that is not counted, in milliseconds."""
    call()
    times: list[float] = []
    end = time.perf_counter() + within_s
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
