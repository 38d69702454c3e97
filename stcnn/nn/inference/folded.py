"""The network for evaluation: frozen weights, chunk after chunk of frames, the state carried along; no gradients.

What differs from the layers of training, all of it exact:

* Normalisation ``z = k y + shift``, bias and the filter's gain fold into the spatial weights, ``k gain W``, and into an
  offset of the filter behind them (:mod:`stcnn.nn.filters.stateful`). One that depends on the maps stays a step.
* Each layer is computed only where the readouts see it: on their window, widened by half a kernel per layer, and by
  what its normalisation reads around a place.
* Grey is zero contrast in every clip, so the state after N grey frames is computed once per set of weights.

Convention: maps are pictures ``(T B, C, Y, X)``, channels last; the same memory is the filters' rows ``(T, B Y X C)``.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.core import Core
from stcnn.nn.filters.convolution import Convolver
from stcnn.nn.filters.stateful import State, StatefulFilter
from stcnn.nn.hidden import HiddenLayer
from stcnn.nn.inference.carried import CarriedCore
from stcnn.nn.norms.kind import Norm
from stcnn.nn.ops.correlate import correlate, use_fourier
from stcnn.nn.optics import Sampling
from stcnn.nn.parts import Parts
from stcnn.nn.past import require_past
from stcnn.nn.readout.readouts import Readouts
from stcnn.nn.stack.chunked_rows import chunk_pictures
from stcnn.nn.windows import Window


class FoldedEye:
    """Sampling by the columns of ``window``, and the photoreceptors' low-pass."""

    def __init__(self, model: Parts, window: Window, rate_hz: float, clips: int, deg_per_px: float) -> None:
        self.eye = model.eye
        self.deg_per_px = deg_per_px
        self.window = window
        config = model.eye.config.filter
        constants = model.eye.constants(model.calcium.tau_s)
        self.gain = config.gain(constants, rate_hz)
        self.shape = (window.bottom - window.top, window.right - window.left)
        places = self.shape[0] * self.shape[1]
        zero = model.calcium.tau_s.new_zeros(1)
        self.filter = config.stateful(constants, rate_hz, zero, places=places, clips=clips)
        self._samplings: dict[torch.Size, Sampling] = {}

    def sampling(self, shape: torch.Size, like: Tensor) -> Sampling:
        """Return what samples pictures of a shape, with the gain of the low-pass."""
        if shape not in self._samplings:
            found = self.eye.sampling((shape[0], shape[1]), self.deg_per_px, like, self.window)
            self._samplings[shape] = found if self.gain is None else found.times(self.gain)
        return self._samplings[shape]

    def drive(self, contrast: Tensor) -> Tensor:
        """Sample contrast ``(B, T, Y, X)``: rows ``(T, B Y X)``."""
        seen = self.sampling(contrast.shape[2:], contrast).sample(contrast)
        return seen.flatten(1).contiguous()  # one column is a view


class FoldedLayer:
    """One hidden layer with its normalisation, from the window it reads to the window it makes.

    Args:
        layer: the layer.
        rate_hz: frames per second.
        clips: number of clips B.
        reads: window of the lattice that comes in.
        makes: window that it computes; the lattice is grey beyond its edge only.
        keeps: window that goes out, which has around it what the normalisation reads.
    """

    def __init__(
        self, layer: HiddenLayer, rate_hz: float, clips: int, *, reads: Window, makes: Window, keeps: Window
    ) -> None:
        offset = torch.zeros_like(layer.weight[:, 0, 0, 0]) if layer.bias is None else layer.bias.detach()
        factor = layer.filter.gain(rate_hz)
        factor = torch.ones_like(offset) if factor is None else factor
        self.norm: Norm | None = None
        """Normalisation that is no scale and shift."""
        affine = None if layer.norm is None else layer.norm.affine()
        if affine is not None:
            scale, shift = affine
            factor = factor * scale
            offset = shift + offset * scale
        elif layer.norm is not None:
            self.norm = copy.deepcopy(layer.norm).eval()
        self.kernel = channels_last(layer.kernel * factor.view(-1, 1, 1, 1))
        self.activation = layer.activation
        self.convolution = layer.convolution
        self.reads = reads
        self.makes = makes
        self.keeps = keeps.moved(-makes.top, -makes.left)
        self.shape = (makes.bottom - makes.top, makes.right - makes.left)
        places = self.shape[0] * self.shape[1]
        kernel = layer.filter.config
        self.filter = kernel.stateful(layer.filter.constants, rate_hz, offset, places=places, clips=clips)
        wanted = layer.convolution.reads(makes)
        top = reads.top - wanted.top
        bottom = wanted.bottom - reads.bottom
        left = reads.left - wanted.left
        right = wanted.right - reads.right
        # What the convolution cannot pad itself, since it pads both sides alike.
        self.padding = (min(top, bottom), min(left, right))
        self.margins = [p - self.padding[i] for i, p in ((1, left), (1, right), (0, top), (0, bottom))]
        self.uneven = any(self.margins)
        self.wide = use_fourier(self.kernel) and layer.convolution.keeps_size

    def drive(self, pictures: Tensor) -> Tensor:
        """Rectify in place and correlate pictures ``(n, C, Y, X)``; return rows ``(n, Y X C)``."""
        x = self.activation.in_place(pictures)
        offset = self.filter.input_offset
        if self.uneven:
            x = F.pad(x, self.margins)
        if self.wide:
            y = self._by_fourier(x)
        else:
            y = F.conv2d(x, self.kernel, offset, stride=self.convolution.stride, padding=self.padding)
        return y.permute(0, 2, 3, 1).flatten(1)

    def _by_fourier(self, x: Tensor) -> Tensor:
        """Correlate, keep what the window makes, and add the offset."""
        (down, right) = self.padding
        offset = self.filter.input_offset
        above, left = (k // 2 for k in self.kernel.shape[2:])
        y = correlate(F.pad(x, (right, right, down, down)), self.kernel)
        y = y[..., above : above + self.shape[0], left : left + self.shape[1]]
        return y if offset is None else y + offset.view(-1, 1, 1)

    def pictures(self, rows: Tensor) -> Tensor:
        """View filtered rows as pictures ``(n, C, Y, X)``, normalised."""
        maps = rows.view(-1, *self.shape, self.kernel.shape[0])
        if self.norm is not None:
            maps = self.keeps.crop(self.norm(maps[None]))[0]
        return maps.permute(0, 3, 1, 2)


class FoldedReadouts:
    """The readouts of all cell types."""

    def __init__(self, readouts: Readouts, rate_hz: float, clips: int) -> None:
        self.activation = readouts.activation
        self.weights = readouts.weights(rate_hz).flatten(1).T.contiguous()
        bias = torch.cat([readout.bias for readout in readouts.each])
        kernel = readouts.config.filter
        self.filter = kernel.stateful(readouts.constants, rate_hz, bias, places=1, clips=clips)

    def drive(self, pictures: Tensor) -> Tensor:
        """Rectify in place and read pictures ``(n, C, Y, X)``; return rows ``(n, N)``."""
        rows = self.activation.in_place(pictures).permute(0, 2, 3, 1).flatten(1)
        offset = self.filter.input_offset
        return rows @ self.weights if offset is None else torch.addmm(offset, rows, self.weights)


class Folded:
    """The weights of a model at one frame rate, as they are now, and the state of some clips.

    Args:
        model: the network; later changes of its weights do not reach this object.
        rate_hz: frames per second.
        clips: number of clips B, which advance in lockstep.
        deg_per_px: degrees per pixel of the frames; None is the resolution of the model.
    """

    @torch.no_grad()
    def __init__(self, model: Parts, rate_hz: float, clips: int = 1, deg_per_px: float | None = None) -> None:
        self.clips = clips
        windows = [model.readouts.window]
        computed: list[Window] = []
        rows, columns = model.eye.config.lattice
        sizes = model.hidden.lattices((rows, columns))
        if isinstance(model.hidden, Core):
            windows.insert(0, Window(0, rows, 0, columns))
            sizes = []
        for layer, size in zip(reversed(list(model.hidden)), reversed(sizes[:-1]), strict=True):
            makes = layer.computed(windows[0], layer.convolution.makes(size))
            computed.insert(0, makes)
            windows.insert(0, layer.convolution.reads(makes).within(size))
        self.windows = windows
        """What goes out of the eye and of every layer, in rows and columns of their lattices."""
        shapes = [(window.bottom - window.top, window.right - window.left) for window in (windows[0], *computed)]
        require_past(model, rate_hz, clips, shapes)
        deg_per_px = model.deg_per_px if deg_per_px is None else deg_per_px
        self._like = model.calcium.tau_s.detach()
        self.eye = FoldedEye(model, windows[0], rate_hz, clips, deg_per_px)
        self.layers = [
            FoldedLayer(layer, rate_hz, clips, reads=reads, makes=makes, keeps=keeps)
            for layer, reads, makes, keeps in zip(model.hidden, windows, computed, windows[1:], strict=False)
        ]
        self.core: CarriedCore | None = None
        """Core that stands in place of the layers, if they are none."""
        if isinstance(model.hidden, Core):
            self.core = CarriedCore(model.hidden, rate_hz, clips, (rows, columns), windows[-1], self._like)
        self.readouts = FoldedReadouts(model.readouts, rate_hz, clips)
        self.filters: dict[str, StatefulFilter] = {
            "eye": self.eye.filter,
            **{f"hidden.{i}": layer.filter for i, layer in enumerate(self.layers)},
            **({} if self.core is None else {"core": self.core}),
            "readouts": self.readouts.filter,
        }
        kernels = [len(f.kernel) for f in self.filters.values() if isinstance(f, Convolver)]
        self.chunk = max(1, chunk_pictures(self._like) // clips, *kernels)
        """Number of frames that are computed together."""

    @torch.no_grad()
    def push(self, contrast: Tensor) -> Tensor:
        """Advance by frames.

        Args:
            contrast: ``(B, T, Y, X)``, zero where grey.

        Returns:
            Voltages ``(B, T, N)``.

        Raises:
            ShapeError: the number of clips or of axes is wrong.
        """
        if contrast.dim() != 4 or contrast.shape[0] != self.clips or not contrast.shape[1]:
            raise ShapeError(
                f"the contrast has shape {tuple(contrast.shape)}",
                expected=f"(B, T, Y, X) with B = {self.clips} clips and at least one frame",
            )
        contrast = contrast.to(self._like)
        if contrast.shape[1] <= self.chunk:
            return self._advance(self.eye.drive(contrast))
        return torch.cat([self._advance(self.eye.drive(piece)) for piece in contrast.split(self.chunk, 1)], 1)

    @torch.no_grad()
    def push_grey(self, n_frames: int) -> Tensor:
        """Advance by grey frames; return voltages ``(B, T, N)``."""
        pieces = self._grey(n_frames).split(self.chunk)
        return torch.cat([self._advance(piece) for piece in pieces], 1)

    def reset(self) -> None:
        """Forget all frames: nothing was ever shown, not even grey."""
        for filter in self.filters.values():
            filter.reset()

    @torch.no_grad()
    def settle(self) -> Tensor:
        """Go where grey without end leads, in closed form; return the steady voltage ``(B, 1, N)``."""
        return self._advance(self._grey(1), settle=True)

    def state(self) -> State:
        """Return a copy of the state by the name of the filter."""
        return {f"{name}.{key}": rows for name, filter in self.filters.items() for key, rows in filter.state().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`state` returned; the state of one clip serves all.

        Raises:
            ShapeError: the state is that of another network.
        """
        for name, filter in self.filters.items():
            mine = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
            filter.load(mine)

    def _grey(self, n_frames: int) -> Tensor:
        rows, columns = self.eye.shape
        return self._like.new_zeros(n_frames, self.clips * rows * columns)

    def _advance(self, seen: Tensor, settle: bool = False) -> Tensor:
        """Voltages ``(B, T, N)`` to what the columns see, ``(T, B Y X)``; ``settle``: to one frame shown forever."""

        def filtered(filter: StatefulFilter, drive: Tensor) -> Tensor:
            rows = drive.to(self._like).view(len(seen), -1)  # autocast may have made it short
            return filter.settle(rows[0]) if settle else filter.filter(rows)

        x = filtered(self.eye.filter, seen).view(-1, 1, *self.eye.shape)
        if self.core is not None:
            x = self.core.pictures(filtered(self.core, x))
        for layer in self.layers:
            x = layer.pictures(filtered(layer.filter, layer.drive(x)))
        voltage = filtered(self.readouts.filter, self.readouts.drive(x))
        return voltage.view(len(seen), self.clips, -1).transpose(0, 1)


def channels_last(weight: Tensor) -> Tensor:
    """Return weights ``(O, C, kY, kX)``, channels last in memory even if C is one, where torch would not say so."""
    o, c, rows, columns = weight.shape
    return weight.permute(0, 2, 3, 1).flatten().view(o, rows, columns, c).permute(0, 3, 1, 2)
