"""Training of the hidden stack in PyTorch as one autograd function: exact, in chunks of frames that stay in cache.

Memory: one array of frames x columns x channels per layer.
"""

from __future__ import annotations

from torch import Tensor

from stcnn.nn.stack.chunked_backward import backward
from stcnn.nn.stack.chunked_forward import ChunkedForward
from stcnn.nn.stack.engine import Engine, TrainingRun, as_function, stack_output
from stcnn.nn.stack.problem import Problem, StackOutput, all_tensors


class ChunkedEngine(Engine):
    """PyTorch, on every device and in every precision."""

    name = "torch"

    def why_not(self, problem: Problem) -> None:
        """Return None: it can run every problem."""
        return

    def is_worth_it(self, problem: Problem) -> bool:
        """Return True: it is what is taken where nothing is faster."""
        return True

    def run(self, problem: Problem) -> StackOutput:
        """Run the stack with exact gradients."""
        return run_and_read(ChunkedRun(problem.layers, problem.clips, problem.reading.window), problem)


class ChunkedRun(ChunkedForward):
    """One forward and one backward pass."""

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor of every layer, in order; uses up what the forward pass stored."""
        return backward(self, grads)


def run_and_read(run: TrainingRun, problem: Problem) -> StackOutput:
    """Run forward, with exact gradients through the run's backward pass, and read the normalised maps it returns."""
    maps = as_function(run, *all_tensors(problem.layers))
    return stack_output([problem.reading.drive(part) for part in maps], run, problem.clips)
