"""Processes that train one model together, each with its share of every batch.

They are started by ``torchrun``, by ``srun`` or by ``stcnn train`` itself, and add what they found: gradients, losses,
moments of normalisations, sums of regressions. All have the same weights after every step. With one process, which is
the rule, nothing here does anything.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.shortage import MachineError

LONGEST_WAIT = timedelta(minutes=30)
"""How long a process waits for the others."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Args:
        number: of processes.
        index: of this one, from 0; the first one writes the run folder.
        local: its index on its machine, which is that of its GPU.
    """

    number: int = 1
    index: int = 0
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.index == 0


_here = [Ranks()]


def ranks() -> Ranks:
    """Return which process this is."""
    return _here[-1]


def started_by_launcher() -> bool:
    """Whether a launcher of several processes started this one."""
    return "TORCHELASTIC_RUN_ID" in os.environ or ("RANK" in os.environ and "WORLD_SIZE" in os.environ)


def _started(n_wanted: int) -> Ranks:
    """Return which of the wanted processes this is, as the launcher says in the environment.

    Raises:
        ConfigError: as many were not started.
    """
    env = os.environ
    if started_by_launcher():
        found = Ranks(int(env["WORLD_SIZE"]), int(env["RANK"]), int(env.get("LOCAL_RANK", env["RANK"])))
    elif n_wanted > 1 and "SLURM_STEP_ID" in env:
        found = Ranks(int(env["SLURM_STEP_NUM_TASKS"]), int(env["SLURM_PROCID"]), int(env["SLURM_LOCALID"]))
    else:
        found = Ranks()
    if found.number != n_wanted:
        raise ConfigError(
            f"training.devices times training.nodes is {n_wanted}, and {found.number} processes were started",
            expected="one process for each device",
            remedy=f"start them with torchrun --nproc-per-node, or srun --ntasks={n_wanted}, and give both keys",
        )
    return found


def _address_of_slurm() -> None:
    """Let the first host of the job step be the one where processes meet, unless MASTER_ADDR says otherwise.

    The port follows from the numbers of job and step, so that every process knows it and two steps seldom share it.
    """
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    env = os.environ
    # Not the environment itself, which refuses --ntasks without --ntasks-per-node.
    env.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(env["SLURM_STEP_NODELIST"]))
    env.setdefault("MASTER_PORT", str(15000 + (int(env["SLURM_JOB_ID"]) + int(env["SLURM_STEP_ID"])) % 10000))


@contextmanager
def _companions(n_wanted: int, command: Sequence[str]) -> Iterator[None]:
    """Start the other processes of this machine, and end those that are left in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(n_wanted)}
    os.environ |= meeting
    started = [
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "RANK": str(index), "LOCAL_RANK": str(index)},
            start_new_session=True,  # Ctrl-C comes to the first process, which tells them
        )
        for index in range(1, n_wanted)
    ]
    try:
        yield
        for process in started:
            process.wait(LONGEST_WAIT.total_seconds())
    finally:
        for process in started:
            process.kill()
            process.wait()
        for name in meeting:
            os.environ.pop(name, None)


@contextmanager
def joined(devices: int, nodes: int, gpu: bool, command: Sequence[str]) -> Iterator[Ranks]:
    """Meet the other processes of a training; all but the first keep silent meanwhile.

    Where no launcher started several and all are on this machine, the others are started here.

    Args:
        devices: processes on each machine.
        nodes: machines.
        gpu: whether each process has a GPU.
        command: this one, as the others are started.

    Raises:
        ConfigError: as many were not started.
        MachineError: they do not find each other.
    """
    n_wanted = devices * nodes
    with ExitStack() as held:
        if n_wanted > 1 and nodes == 1 and not started_by_launcher() and "SLURM_STEP_ID" not in os.environ:
            held.enter_context(_companions(n_wanted, command))
            here = Ranks(n_wanted)
        else:
            here = _started(n_wanted)
            if here.number > 1 and not started_by_launcher():
                _address_of_slurm()
        if here.number == 1:
            yield here
            return
        if gpu:
            torch.cuda.set_device(here.local)
        _together(
            lambda: dist.init_process_group(
                "nccl" if gpu else "gloo", rank=here.index, world_size=here.number, timeout=LONGEST_WAIT
            )
        )
        held.callback(dist.destroy_process_group)
        _here.append(here)
        held.callback(_here.pop)
        if not here.is_first:
            held.enter_context(redirect_stdout(io.StringIO()))
        yield here


def _together(act: Callable[[], object]) -> None:
    try:
        act()
    except RuntimeError as error:  # of torch.distributed
        first = str(error).strip().splitlines()[0]
        found = f"this process ({ranks().index + 1} of {ranks().number}) lost the others: {first}"
        raise MachineError(found, remedy="look at what the first of them said") from error


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


def summed(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes, without gradient; the tensor itself where there is one process."""
    if ranks().number == 1:
        return tensor
    total = tensor.detach().to(_device(), copy=True)
    _together(lambda: dist.all_reduce(total))
    return total.to(tensor.device)


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor) -> Tensor:
        return summed(tensor)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        return summed(grad)


def summed_with_gradient(tensor: Tensor) -> Tensor:
    """Return the same sum; its gradient is that of what all processes make of it."""
    return tensor if ranks().number == 1 else _Summed.apply(tensor)


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Give all processes the sum of their gradients, zero where one has none."""
    if ranks().number == 1:
        return
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for dtype in dict.fromkeys(parameter.dtype for parameter in trained):
        mine = [parameter for parameter in trained if parameter.dtype == dtype]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in mine]
        total = summed(torch.cat([grad.flatten() for grad in grads]))
        for parameter, grad in zip(mine, total.split([p.numel() for p in mine]), strict=True):
            parameter.grad = grad.view_as(parameter).clone()


@torch.no_grad()
def take_those_of_the_first(tensors: Iterable[Tensor]) -> None:
    """Give all processes the values that the first one has, in place."""
    if ranks().number == 1:
        return
    for tensor in tensors:
        values = tensor.detach().to(_device(), copy=True)
        _together(lambda values=values: dist.broadcast(values, 0))  # type: ignore[misc]
        tensor.copy_(values)


def largest(number: int) -> int:
    """Return the largest of the numbers that the processes have."""
    if ranks().number == 1:
        return number
    found = torch.tensor([number], device=_device())
    _together(lambda: dist.all_reduce(found, dist.ReduceOp.MAX))
    return int(found)


def said_by_the_first(text: str) -> str:
    """Return the text that the first process has."""
    if ranks().number == 1:
        return text
    codes = torch.tensor(list(text.encode()), dtype=torch.int64)
    length = largest(len(codes) if ranks().is_first else 0)
    found = codes if ranks().is_first else torch.zeros(length, dtype=torch.int64)
    take_those_of_the_first([found])
    return bytes(found.tolist()).decode()


def rows_of_all(tensor: Tensor) -> Tensor:
    """Return the rows of all processes, those of the first first; all dimensions are padded with zeros alike.

    Args:
        tensor: ``(R, ...)``, on the CPU; R may differ between processes, and may be 0.
    """
    if ranks().number == 1:
        return tensor
    shape = [largest(size) for size in tensor.shape]
    padded = tensor.new_zeros(shape)
    padded[tuple(slice(size) for size in tensor.shape)] = tensor
    counts = torch.zeros(ranks().number, dtype=torch.int64)
    counts[ranks().index] = len(tensor)
    counts = summed(counts)
    everything = tensor.new_zeros(ranks().number, *shape)
    everything[ranks().index] = padded
    everything = summed(everything)
    return torch.cat([part[:count] for part, count in zip(everything, counts.tolist(), strict=True)])


def wait() -> None:
    """Wait for all processes."""
    largest(0)
