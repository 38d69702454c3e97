"""Configurations: their strict base, and the one place where a value that cannot be becomes a sentence.

A caller of :func:`validated` says the sentence; where the value stands, what it is and what rule it breaks are the same
for all (:class:`Fault`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from stcnn.errors import StcnnError, nearest


class Config(BaseModel):
    """Base of every configuration: no unknown key, no change once it is made, no number that is not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Fault:
    """A value that a configuration cannot have.

    Args:
        location: keys and places in lists that lead to it, the outermost first.
        kind: what is wrong, by pydantic's name: ``extra_forbidden``, ``missing``, ``value_error``, ...
        value: what was given.
        message: the rule as pydantic says it.
        context: what pydantic adds, such as the ``error`` of a ``value_error``.
        n_more: how many other values of the same configuration cannot be.
    """

    location: tuple[int | str, ...]
    kind: str
    value: object
    message: str
    context: Mapping[str, Any]
    n_more: int = 0

    @property
    def key(self) -> str:
        """The location as a path, ``readout.tau_s``."""
        return ".".join(map(str, self.location))

    @property
    def rule(self) -> str:
        """The rule as a clause that continues a sentence."""
        return self.message[0].lower() + self.message[1:]

    @property
    def is_unknown(self) -> bool:
        """Whether there is no such key."""
        return self.kind == "extra_forbidden"

    def nearest(self, model: type[BaseModel]) -> str:
        """A clause that names the key of a configuration which comes closest."""
        return nearest(self.key, model.model_fields)


def validated(
    model: type[Model],
    values: object,
    explain: Callable[[Fault], StcnnError],
    *,
    unknown_first: bool = False,
) -> Model:
    """Plain values as a configuration.

    Args:
        model: the configuration.
        values: its keys and values.
        explain: makes the sentence of a fault.
        unknown_first: whether an unknown key is told before other faults: a misspelt one is often missed elsewhere.

    Raises:
        StcnnError: what ``explain`` makes of the first fault.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = faults_of(error)
    if unknown_first:
        faults.sort(key=lambda fault: not fault.is_unknown)
    raise explain(faults[0])


def faults_of(error: ValidationError) -> list[Fault]:
    """Every fault that pydantic found, in its order."""
    found = error.errors()
    return [
        Fault(
            location=one["loc"],
            kind=one["type"],
            value=one["input"],
            message=one["msg"],
            context=one.get("ctx", {}),
            n_more=len(found) - 1,
        )
        for one in found
    ]
