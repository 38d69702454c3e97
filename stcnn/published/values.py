"""Values that may stand in the published program's config.json, before keys are judged together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

LONGEST_KERNEL_S = 60.0
"""Length of a temporal kernel."""
TAU_EXPONENTS = (-6.0, 3.0)
"""Powers of ten between which time constants may start, in seconds."""

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e9, le=1e9)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1e9)]
Taps = Annotated[int, Field(strict=True, ge=2, le=1_000_000)]
"""Two at least: of a kernel of one sample the published program keeps no answer at all."""


def pair(value: object) -> object:
    """One number is for rows and columns."""
    return value if isinstance(value, list | tuple) else (value, value)


def first_of_list(value: object) -> object:
    """Return what the published program takes of the entry of a cell type: its first element alone."""
    if not isinstance(value, list) or not value:
        raise ValueError("the published program takes the first element of a list, and this is none")
    return padding(value[0])


def padding(value: object) -> object:
    """Return the name of a padding, or rows and columns."""
    return value if isinstance(value, str) else pair(value)


def lowered(value: object) -> object:
    """Return a name in lower case."""
    return value.lower() if isinstance(value, str) else value


def ordered(ends: object) -> object:
    """Return two ends once they are in order."""
    if (
        isinstance(ends, list | tuple)
        and all(isinstance(end, int | float) for end in ends)
        and list(ends) != sorted(ends)
    ):
        raise ValueError("its lower end lies above its upper end")
    return ends


def listed(value: object) -> object:
    """Return one name as a list."""
    return [value] if isinstance(value, str) else value


Size = Annotated[int, Field(strict=True, ge=1, le=1000)]
"""Places of a kernel or a window, or from one to the next; no lattice here has more."""
Sizes = Annotated[tuple[Size, Size], BeforeValidator(pair)]
Counts = Annotated[tuple[Count, Count], BeforeValidator(pair)]
Margins = tuple[
    Annotated[int, Field(strict=True, ge=0, le=1_000_000)], Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
]
Padding = Annotated[Literal["valid", "same"] | Margins, BeforeValidator(padding)]
Ends = Annotated[tuple[Number, Number], BeforeValidator(ordered)]
Exponent = Annotated[Number, Field(ge=TAU_EXPONENTS[0], le=TAU_EXPONENTS[1])]
