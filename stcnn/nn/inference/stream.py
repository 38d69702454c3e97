"""A model live: one frame in, voltage and calcium of every cell type out, in constant memory.

The numbers are those of the offline pass; only where the clip starts is a choice of its own
(:data:`stcnn.nn.inference.stream_config.Start`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from stcnn.errors import RateError, ShapeError
from stcnn.nn.filters.stateful import State
from stcnn.nn.inference.evaluator import evaluator, live
from stcnn.nn.inference.grey import GreyStates
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.inference.native import NativeEvaluation
from stcnn.nn.inference.stream_config import StreamConfig
from stcnn.nn.parts import Parts


class Sample(NamedTuple):
    """Answer of one cell type to one frame: numbers for a frame ``(Y, X)``, arrays for frames ``(B, Y, X)``."""

    voltage: NDArray[Any]
    """Scalar or ``(B,)``."""
    calcium: NDArray[Any]
    """dF/F; scalar or ``(B,)`` of the average neuron, ``(R,)`` or ``(B, R)`` of R given neurons."""


class Stream:
    """A model with frozen weights that sees one frame at a time; made by :meth:`stcnn.nn.model.STCNN.stream`.

    Args:
        model: the network; later changes of its weights do not reach the stream.
        config: rate, clips, start, resolution.
        grey_states: what the model does after grey frames.

    Raises:
        ConfigError: a cell type or neuron that the model does not have.
    """

    def __init__(self, model: Parts, config: StreamConfig, grey_states: GreyStates) -> None:
        self.config = config
        self.cell_types = tuple(model.population.neurons)
        self._folded = evaluator(model, config.rate_hz, config.clips, config.deg_per_px)
        self._indicator = Indicator(model, config)
        self._core: NativeEvaluation | None = None
        """Answers single frames in compiled code, and has the state of the indicator while it does."""
        self._grey = None
        if config.start == "grey":
            n_grey = max(1, round(config.grey_s * config.rate_hz))
            alone = self._folded if config.clips == 1 and config.deg_per_px in (None, model.deg_per_px) else None
            self._grey = grey_states.after(model, n_grey, config.rate_hz, alone)
        self._background = np.float32(config.background)
        self._shape: tuple[int, ...] = ()
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Go back to the start, before the first frame."""
        self.n_frames = 0
        """Number of frames since the start."""
        self._leave_core()
        if self.config.start == "steady":
            self._indicator.settle(self._folded.settle())
            return
        self._folded.reset()
        self._indicator.filter.reset()
        if self._grey is not None:
            self._folded.load_state(self._grey.state)
            self._indicator.calcium(self._grey.voltage.expand(self.config.clips, -1, -1))

    def step(self, frame: ArrayLike | Tensor) -> dict[str, Sample]:
        """Show one frame.

        Args:
            frame: luminance ``(Y, X)``, or ``(B, Y, X)`` for B clips; uint8 codes 0..255 or floats 0..1.

        Returns:
            Voltage and calcium by cell type.

        Raises:
            ShapeError: the frame has the wrong shape or type, or holds values that are not luminance. The stream is
                then as it was before.
        """
        array = frame.detach().cpu().numpy() if isinstance(frame, Tensor) else np.asarray(frame)
        if array.shape != self._shape:
            self._contrast(array)  # judges it
        if self._core is None:
            self._enter_core()
        if self._core is not None and (array.dtype == np.uint8 or array.dtype.kind == "f"):
            shown = self._core.step(array if array.ndim == 3 else array[None], self.config.background)
            if shown is not None:
                self.n_frames += 1
                return self._samples(*shown, array.ndim)
        contrast = self._contrast(array)
        with torch.inference_mode():
            voltage, calcium = (x[:, 0].cpu().numpy() for x in self.advance(torch.from_numpy(contrast)))
        return self._samples(voltage, calcium, array.ndim)

    def _samples(self, voltage: NDArray[Any], calcium: NDArray[Any], axes: int) -> dict[str, Sample]:
        """Voltage ``(B, N)`` and calcium ``(B, M)`` by cell type."""
        if axes == 2:
            voltage = voltage[0]
            calcium = calcium[0]
        if not self.config.neurons:
            return dict(zip(self.cell_types, map(Sample, voltage.T, calcium.T), strict=True))
        places = self._indicator.places
        return {name: Sample(voltage.T[i], calcium.T[places[name]].T) for i, name in enumerate(self.cell_types)}

    def _enter_core(self) -> None:
        """Let compiled code answer single frames, if it can."""
        core = self._live
        if core is not None and core.calcium is not None:
            core.calcium.load(self._indicator.filter.state())
        self._core = core

    @cached_property
    def _live(self) -> NativeEvaluation | None:
        return live(self._folded, self._indicator)

    def _leave_core(self) -> None:
        """Take the state of the indicator back."""
        if self._core is not None and self._core.calcium is not None:
            self._indicator.filter.load(self._core.calcium.state())
            self._core = None

    @torch.no_grad()
    def advance(self, contrast: Tensor) -> tuple[Tensor, Tensor]:
        """Show some frames of contrast ``(B, T, Y, X)``; return voltage ``(B, T, N)`` and calcium ``(B, T, M)``.

        M counts the average neurons and given neurons, in the order of the cell types.
        """
        self._leave_core()
        voltage = self._folded.push(contrast)
        self.n_frames += voltage.shape[1]
        return voltage, self._indicator.calcium(voltage)

    def state_dict(self) -> State:
        """Return a copy of the state, all tensors: save it with ``torch.save``, open it with ``weights_only=True``."""
        self._leave_core()
        facts = {"n_frames": torch.tensor(self.n_frames), "rate_hz": torch.tensor(self.config.rate_hz)}
        calcium = {f"calcium.{key}": rows for key, rows in self._indicator.filter.state().items()}
        return {**facts, **self._folded.state(), **calcium}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue where :meth:`state_dict` was called; the state of one clip serves all clips.

        Raises:
            RateError: the state was saved at another frame rate.
            ShapeError: it is that of another model, or not finite. The stream is then as it was before.
        """
        rate_hz = float(state.get("rate_hz", torch.nan))
        if rate_hz != self.config.rate_hz:
            raise RateError(
                f"the saved state is of a stream at {rate_hz:g} frames per second",
                expected=f"{self.config.rate_hz:g}",
                remedy="open the stream at that rate",
            )
        before = self.state_dict()
        if odd := sorted(before.keys() ^ state.keys()):
            raise ShapeError(
                f"the saved state {'lacks' if odd[0] in before else 'has'} '{odd[0]}'",
                expected="the state of this model",
                remedy="load it into the model it was saved from",
            )
        if odd := [name for name, rows in state.items() if not rows.isfinite().all()]:
            raise ShapeError(f"the saved state has values in '{odd[0]}' that are not finite", expected="numbers")
        try:
            self._load(state)
        except ShapeError:
            self._load(before)
            raise

    def _load(self, state: Mapping[str, Tensor]) -> None:
        self._folded.load_state(state)
        prefix = "calcium."
        self._indicator.filter.load({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self.n_frames = int(state["n_frames"])

    def _contrast(self, frame: NDArray[Any]) -> NDArray[np.float32]:
        """Check luminance and return contrast ``(B, 1, Y, X)``."""
        clips = self.config.clips
        fits = clips == 1 if frame.ndim == 2 else frame.ndim == 3 and len(frame) == clips
        if not fits or frame.size == 0 or self._shape not in ((), frame.shape):
            expected = f"({clips}, Y, X)" if clips > 1 else "(Y, X)"
            raise ShapeError(
                f"frame {self.n_frames} has shape {frame.shape}",
                expected=f"{self._shape}, as the frames before" if self._shape else expected,
                remedy="make all frames grey and of one size",
            )
        if frame.dtype == np.uint8:
            luminance = np.divide(frame, 255, dtype=np.float32)
        elif frame.dtype.kind == "f":
            low = frame.min()
            high = frame.max()
            if not (low >= -1e-6 and high <= 1 + 1e-6):  # also where one of them is not a number
                raise ShapeError(
                    f"luminance of frame {self.n_frames} runs from {low:.4g} to {high:.4g}",
                    expected="finite values from 0 (black) to 1 (white)",
                    remedy="divide by the white level, or pass 8-bit frames as uint8",
                )
            luminance = frame.astype(np.float32, copy=False)
        else:
            raise ShapeError(f"frame {self.n_frames} is of type {frame.dtype}", expected="uint8 or floats")
        self._shape = frame.shape
        return (luminance - self._background).reshape(clips, 1, *frame.shape[-2:])
