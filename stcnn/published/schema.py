"""Content that ``config.json`` of the published program may have, key by key, judged before anything is made of it.

The keys are those that its factory reads (Klapoetke et al. 2022, github.com/TuragaLab/stcnn); a key or value that it
does not know is refused by name, since nobody can say what it was to change.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from stcnn.cell_type_names import cell_type_name
from stcnn.errors import FileError
from stcnn.movie import BACKGROUND
from stcnn.nn.activation import ActivationName
from stcnn.nn.windows import Convolution
from stcnn.published.sentences import EXPECTED, remedy, sentence
from stcnn.published.values import (
    LONGEST_KERNEL_S,
    Count,
    Counts,
    Ends,
    Exponent,
    Margins,
    Number,
    Padding,
    Positive,
    Size,
    Sizes,
    Taps,
    first_of_list,
    listed,
    lowered,
    ordered,
)
from stcnn.validation import Config, validated


class _Section(Config):
    model_config = ConfigDict(allow_inf_nan=True)


class Photoreceptor(_Section):
    """``pr_config``: the eye."""

    config_type: Annotated[Literal["photoreceptor"], BeforeValidator(lowered)]
    layer_name: Any = None
    in_channels: tuple[Literal[1]]
    out_channels: tuple[Literal[1]]
    ds_input: tuple[Positive, Positive]
    """Degrees per pixel along rows and columns."""
    pr_sigma: tuple[Positive, Positive]
    """The Gaussian takes their product alone: its full width at half maximum is the root of it, in all directions."""
    x_kernel_size: tuple[Count, Count]
    x_stride: Counts
    x_padding: Padding
    tau: Positive
    movie_bg_intensity: Number = BACKGROUND
    t_kernel_size: Taps

    @model_validator(mode="after")
    def _has_square_pixels(self) -> Self:
        if self.ds_input[0] != self.ds_input[1]:
            raise ValueError("ds_input: pixels that are not square cannot be shown here")
        return self

    @model_validator(mode="after")
    def _reads_pixels(self) -> Self:
        self.convolution()
        return self

    def convolution(self) -> Convolution:
        """Return size and steps of the Gaussian, in pixels."""
        return convolution(self.x_kernel_size, self.x_stride, self.x_padding)


class _Layers(_Section):
    config_type: Annotated[Literal["spatiotemporal_exp", "spatiotemporal_pwrexp"], BeforeValidator(lowered)]
    layer_name: Any = None
    tau_init: Annotated[tuple[Exponent, Exponent], BeforeValidator(ordered)]
    t_kernel_size: Taps
    init_amplitude_scale: Positive
    bias_init: Ends = (0.0, 0.0)
    n_power_init: Annotated[tuple[Positive, Positive], BeforeValidator(ordered)] | None = None

    @model_validator(mode="after")
    def _has_exponents(self) -> Self:
        if self.config_type == "spatiotemporal_pwrexp" and self.n_power_init is None:
            raise ValueError("n_power_init is missing, which config_type 'spatiotemporal_pwrexp' needs")
        return self


class Network(_Layers):
    """``network_config``: the hidden layers."""

    in_channels: tuple[Literal[1]]
    out_channels: Annotated[tuple[Annotated[int, Field(strict=True, ge=1, le=10_000)], ...], Field(min_length=1)]
    x_kernel_size: tuple[Sizes, ...]
    x_stride: tuple[Sizes, ...]
    x_padding: tuple[Padding, ...]
    activation: ActivationName | tuple[ActivationName, ...]

    @model_validator(mode="after")
    def _describes_each_layer(self) -> Self:
        _require_length(
            self, ("x_kernel_size", "x_stride", "x_padding", "activation"), len(self.out_channels), "layers"
        )
        self.convolutions()
        return self

    def convolutions(self) -> list[Convolution]:
        """Return size and steps of each layer."""
        sizes = zip(self.x_kernel_size, self.x_stride, self.x_padding, strict=True)
        return [convolution(*size, f"[{i}]") for i, size in enumerate(sizes)]

    @property
    def activations(self) -> tuple[ActivationName, ...]:
        """The activation in front of each layer."""
        return self.activation if isinstance(self.activation, tuple) else (self.activation,) * len(self.out_channels)


class Lobula(_Layers):
    """``L_config``: the readouts."""

    in_channels: tuple[Count]
    out_channels: tuple[Literal[1]]
    lc_types: Annotated[tuple[str, ...], Field(min_length=1)]
    lc_count: Any = None
    x_kernel_size: tuple[Annotated[tuple[Size, Size], BeforeValidator(first_of_list)], ...]
    x_stride: tuple[Annotated[tuple[Size, Size], BeforeValidator(first_of_list)], ...]
    x_padding: tuple[Annotated[Literal["valid", "same"] | Margins, BeforeValidator(first_of_list)], ...]
    activation: Annotated[tuple[ActivationName, ...], Field(min_length=1), BeforeValidator(listed)]

    @model_validator(mode="after")
    def _describes_each_type(self) -> Self:
        _require_length(self, ("x_kernel_size", "x_stride", "x_padding"), len(self.lc_types), "lc_types")
        if len(set(map(cell_type_name, self.lc_types))) < len(self.lc_types):
            raise ValueError("lc_types has one name twice, whatever its case")
        self.convolutions()
        return self

    def convolutions(self) -> list[Convolution]:
        """Return size and steps of the windows of each cell type."""
        sizes = zip(self.x_kernel_size, self.x_stride, self.x_padding, strict=True)
        return [convolution(*size, f"[{i}]") for i, size in enumerate(sizes)]


class Indicator(_Section):
    """``ca_config``: from voltage to calcium."""

    config_type: Annotated[Literal["gcamp"], BeforeValidator(lowered)]
    layer_name: Any = None
    gcamp_tau: Annotated[tuple[Positive, Positive], BeforeValidator(ordered)]
    alpha_init: Ends
    beta_init: Ends
    activation: ActivationName
    cell_types: tuple[str, ...]
    cell_count: tuple[Count, ...]
    use_global_ca_tau: Annotated[bool, Field(strict=True)] = False
    t_kernel_size: Taps

    @model_validator(mode="after")
    def _counts_each_type(self) -> Self:
        _require_length(self, ("cell_count",), len(self.cell_types), "cell_types")
        if len(set(map(cell_type_name, self.cell_types))) < len(self.cell_types):
            raise ValueError("cell_types has one name twice, whatever its case")
        return self


class Recordings(Config):
    """``dataset_config``: nothing in it changes the network, but what is grey to it."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=True)
    mov_bg_int: Number = BACKGROUND


class Described(_Section):
    """The whole of ``config.json``."""

    experiment_path: Any = None
    pr_config: Photoreceptor
    network_config: Network
    L_config: Lobula
    ca_config: Indicator
    data_count: Any = None
    sampling_rate: Annotated[Positive, Field(ge=0.01, le=1e6)]
    dataset_config: Recordings = Field(default_factory=Recordings)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.L_config.in_channels[0] != self.network_config.out_channels[-1]:
            raise ValueError("L_config.in_channels is not the last number of network_config.out_channels")
        if set(self.L_config.lc_types) != set(self.ca_config.cell_types):
            raise ValueError("ca_config.cell_types are not those of L_config.lc_types")
        for name, layers in _SECTIONS.items():
            section = getattr(self, name)
            if "t_kernel_size" in layers.model_fields and section.t_kernel_size > LONGEST_KERNEL_S * self.sampling_rate:
                raise ValueError(
                    f"{name}.t_kernel_size is {section.t_kernel_size}, at {self.sampling_rate:g} Hz longer than the "
                    f"{LONGEST_KERNEL_S:g} s that a kernel may have here"
                )
        for name, grey in (
            ("pr_config.movie_bg_intensity", self.pr_config.movie_bg_intensity),
            ("dataset_config.mov_bg_int", self.dataset_config.mov_bg_int),
        ):
            if grey != BACKGROUND:
                raise ValueError(
                    f"{name} is {grey}: to a model here grey is {BACKGROUND} where a movie has none of its own"
                )
        return self


def convolution(
    kernel: tuple[int, int], stride: tuple[int, int], padding: str | tuple[int, int], entry: str = ""
) -> Convolution:
    """Return size and steps of a convolution as torch understands them.

    Raises:
        ValueError: torch would refuse them, or it would read nothing but padding.
    """
    if padding == "valid":
        return Convolution(kernel, stride, (0, 0))
    if padding == "same":
        if stride != (1, 1) or not all(k % 2 for k in kernel):
            raise ValueError(f"x_padding{entry} is 'same', which goes with odd kernels and a stride of one here")
        return Convolution.keeping_size(kernel)
    assert not isinstance(padding, str)
    if padding[0] >= kernel[0] or padding[1] >= kernel[1]:
        raise ValueError(f"x_padding{entry} {padding} is not smaller than x_kernel_size{entry} {kernel}")
    return Convolution(kernel, stride, padding)


def _require_length(section: BaseModel, names: tuple[str, ...], length: int, of: str) -> None:
    for name in names:
        each = getattr(section, name)
        if isinstance(each, tuple) and len(each) != length:
            raise ValueError(f"{name} has {len(each)} entries for {length} {of}")


def validate(described: object, source: str) -> Described:
    """Return the content of ``config.json``, judged.

    Args:
        described: what the file holds.
        source: the file, for messages.

    Raises:
        FileError: a key is unknown, missing, or has a value that cannot be; the sentence names it.
    """
    return validated(
        Described,
        described,
        lambda fault: FileError(sentence(fault, source), expected=EXPECTED, remedy=remedy(fault, Described, _SECTIONS)),
    )


_SECTIONS: dict[str, type[BaseModel]] = {
    "pr_config": Photoreceptor,
    "network_config": Network,
    "L_config": Lobula,
    "ca_config": Indicator,
    "dataset_config": Recordings,
}
