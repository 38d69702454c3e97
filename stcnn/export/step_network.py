"""A network as a pure function of one frame and a state: the form that other programs run.

    luminance (Y, X), state (S,)  ->  voltage (N,), calcium (M,), state (S,)

It is the frozen network of :class:`stcnn.nn.inference.folded.Folded` for one clip and one frame rate; only that the
state of all filters is one flat tensor that goes in and comes out. Inside, maps are ``(1, C, Y, X)``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.export.step_filters import StepFilter, step_filter
from stcnn.movie import BACKGROUND, PRE_GREY_S
from stcnn.nn.calcium import rectified
from stcnn.nn.inference.folded import Folded, FoldedLayer
from stcnn.nn.inference.indicator import Indicator
from stcnn.nn.inference.stream_config import stream_config
from stcnn.nn.model import STCNN
from stcnn.nn.windows import Window


class StepLayer(nn.Module):
    """A hidden layer: activation, convolution, filter."""

    kernel: Tensor
    bias: Tensor

    def __init__(self, layer: FoldedLayer) -> None:
        super().__init__()
        self.activation = layer.activation
        self.shape = layer.shape
        self.stride = layer.convolution.stride
        self.margins = layer.margins
        self.uneven = layer.uneven
        self.padding = layer.padding
        self.filter = step_filter(layer.filter)
        offset = layer.filter.input_offset
        bias = layer.kernel.new_zeros(len(layer.kernel)) if offset is None else offset
        self.register_buffer("kernel", layer.kernel.detach().clone(memory_format=torch.contiguous_format))
        self.register_buffer("bias", bias.detach().clone())

    def forward(self, maps: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps ``(1, C, Y, X)`` and the state."""
        x = self.activation(maps)
        if self.uneven:
            x = F.pad(x, self.margins)
        drive = F.conv2d(x, self.kernel, self.bias, stride=self.stride, padding=self.padding)
        rows, state = self.filter(drive.view(len(self.kernel), -1), state)
        return rows.view(1, -1, *self.shape), state


class StepNetwork(nn.Module):
    """One model at one frame rate, for frames of one size.

    Args:
        model: the network, in evaluation mode.
        rate_hz: frames per second.
        movie_px: rows and columns of the frames.
        single_neurons: whether calcium is that of every recorded neuron instead of the average one of each type.
        background: luminance of grey.

    Raises:
        ConfigError: its core is not made of hidden layers, or they divide by their neighbours.
    """

    eye_rows: Tensor
    eye_columns: Tensor
    windows: list[Window]
    """What it computes of the eye and of every layer, in rows and columns of their lattices."""
    readout: Tensor
    readout_bias: Tensor
    gain: Tensor
    offset: Tensor
    types: Tensor
    columns: Tensor
    start: Tensor
    """State after two seconds of grey, with which a clip begins in training."""

    def __init__(
        self,
        model: STCNN,
        rate_hz: float,
        movie_px: tuple[int, int],
        *,
        single_neurons: bool = False,
        background: float = BACKGROUND,
    ) -> None:
        super().__init__()
        model = model.for_picture(movie_px)
        neurons = dict(model.population.neurons) if single_neurons else {}
        folded = Folded(model, rate_hz)
        if folded.core is not None:
            raise ConfigError(
                f"the core of this model, {type(folded.core.core).__name__}, has no form outside this program",
                expected="hidden layers",
            )
        if any(layer.norm is not None for layer in folded.layers):
            raise ConfigError(
                f"the hidden layers have a normalisation of kind '{model.config.hidden.norm.kind}', which has no form "
                "outside this program",
                expected="model.hidden.norm.kind none or batch",
            )
        self.rate_hz = rate_hz
        self.movie_px = movie_px
        self.background = background
        self.cell_types = model.cell_types
        self.neurons = [(name, each) for name, known in neurons.items() for each in known]
        """Cell type and name of the neuron of each calcium, where they are single ones."""
        sampling = folded.eye.sampling(torch.Size(movie_px), model.calcium.tau_s.detach())
        self.eye_shape = folded.eye.shape
        self.windows = folded.windows
        self.eye_filter = step_filter(folded.eye.filter)
        layers = [StepLayer(layer) for layer in folded.layers]
        self.layers = nn.ModuleList(layers)
        self._take_readouts(folded)
        self._take_indicator(Indicator(model, stream_config({"rate_hz": rate_hz, "neurons": neurons})))
        self._keep("eye_rows", sampling.down)
        self._keep("eye_columns", sampling.across.T)
        self.filters: list[StepFilter] = [
            self.eye_filter,
            *(layer.filter for layer in layers),
            self.readout_filter,
            self.calcium_filter,
        ]
        self.sizes = [len(each.rest) for each in self.filters]
        self._keep("start", self._after_grey(max(1, round(PRE_GREY_S * rate_hz))))
        self.eval()

    def _take_readouts(self, folded: Folded) -> None:
        reads = folded.readouts
        channels = len(folded.layers[-1].kernel) if folded.layers else 1
        height, width = folded.layers[-1].shape if folded.layers else folded.eye.shape
        weights = reads.weights.T.view(-1, height, width, channels).permute(0, 3, 1, 2).flatten(1)
        self.readout_activation = reads.activation
        self.readout_filter = step_filter(reads.filter)
        offset = reads.filter.input_offset
        self._keep("readout", weights)
        self._keep("readout_bias", weights.new_zeros(len(weights)) if offset is None else offset)

    def _take_indicator(self, indicator: Indicator) -> None:
        self.rectifier = indicator.rectifier
        self.calcium_filter = step_filter(indicator.filter)
        n_filtered = len(indicator.filter.offset)
        whole = torch.arange(n_filtered, device=indicator.gain.device)
        each = torch.arange(len(self.cell_types), device=indicator.gain.device)
        self._keep("gain", indicator.gain)
        self._keep("offset", indicator.offset)
        self._keep("types", whole if isinstance(indicator.types, slice) else indicator.types)
        self._keep("columns", each if isinstance(indicator.columns, slice) else indicator.columns)

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.detach().clone(memory_format=torch.contiguous_format))

    @torch.no_grad()
    def _after_grey(self, n_frames: int) -> Tensor:
        state = torch.cat([each.rest for each in self.filters])
        grey = torch.full(self.movie_px, self.background).to(state)
        for _ in range(n_frames):
            state = self(grey, state)[2]
        return state

    def _seen(self, contrast: Tensor) -> Tensor:
        """Return what columns see of a frame, in lines side by side; where these are not straight each has its rows."""
        lines = contrast @ self.eye_columns
        if self.eye_rows.dim() == 2:
            return self.eye_rows @ lines
        return (self.eye_rows @ lines.T.unsqueeze(-1)).squeeze(-1).T

    def forward(self, luminance: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return voltage ``(N,)``, calcium ``(M,)`` and the state after a frame ``(Y, X)`` of luminance 0..1."""
        before = torch.split(state, self.sizes)
        after = []
        seen = self._seen(luminance - self.background)
        rows, changed = self.eye_filter(seen.reshape(1, -1), before[0])
        after.append(changed)
        maps = rows.view(1, 1, *self.eye_shape)
        for layer, of_layer in zip(self.layers, before[1:], strict=False):
            maps, changed = layer(maps, of_layer)
            after.append(changed)
        drive = self.readout @ self.readout_activation(maps).flatten() + self.readout_bias
        rows, changed = self.readout_filter(drive.unsqueeze(1), before[-2])
        after.append(changed)
        voltage = rows.squeeze(1)
        rate = rectified(voltage, self.rectifier).index_select(0, self.columns)
        filtered, changed = self.calcium_filter(rate.unsqueeze(1), before[-1])
        after.append(changed)
        calcium = self.offset + self.gain * filtered.squeeze(1).index_select(0, self.types)
        return voltage, calcium, torch.cat(after)


class StepEnsemble(nn.Module):
    """Several models side by side: voltage and calcium are the mean over them, the state is that of all.

    Args:
        members: the models, alike in rate, size of frames, cell types and neurons.
    """

    start: Tensor

    def __init__(self, members: list[StepNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sizes = [len(member.start) for member in members]
        self.register_buffer("start", torch.cat([member.start for member in members]))

    def forward(self, luminance: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean voltage and calcium, and the state after a frame."""
        each = [member(luminance, s) for member, s in zip(self.members, torch.split(state, self.sizes), strict=True)]
        voltage, calcium, states = zip(*each, strict=True)
        return torch.stack(voltage).mean(0), torch.stack(calcium).mean(0), torch.cat(states)


class Clip(nn.Module):
    """A clip of any length: the step from frame to frame."""

    def __init__(self, step: StepNetwork | StepEnsemble) -> None:
        super().__init__()
        self.step = step

    def forward(self, luminance: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return voltage ``(T, N)``, calcium ``(T, M)`` and the last state of frames ``(T, Y, X)``."""
        from torch._higher_order_ops.scan import scan

        def advance(before: Tensor, frame: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            voltage, calcium, after = self.step(frame, before)
            return after, (voltage, calcium)

        last, (voltage, calcium) = scan(advance, state, luminance)
        return voltage, calcium, last
