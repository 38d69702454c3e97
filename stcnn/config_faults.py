"""Sentences for what is wrong with a configuration: the path of the key, what was expected, the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from stcnn.errors import ConfigError, nearest
from stcnn.foreign_keys import foreign_key
from stcnn.key_paths import Place, locate, places
from stcnn.validation import Fault


def explained(config: type[BaseModel], fault: Fault) -> ConfigError:
    """Say what is wrong with a value of a configuration, by its path and the nearest valid name."""
    name, beside = locate(config, fault.location)
    remedy = f"then mend {fault.n_more} more" if fault.n_more else ""
    match fault.kind:
        case "extra_forbidden":
            return _unknown(name, fault.value, beside, remedy, places(config))
        case "missing":
            return ConfigError(f"the key '{name}' is missing", remedy=remedy or f"give it as {name}=VALUE")
        case "union_tag_not_found":
            return ConfigError(f"the key '{name}.kind' is missing", remedy=remedy)
        case "union_tag_invalid":
            tag = fault.context["tag"]
            kinds = re.findall(r"'([^']*)'", fault.context["expected_tags"])
            return ConfigError(f"'{name}.kind' is '{tag}' ({nearest(tag, kinds)})", remedy=remedy)
        case "value_error":
            return ConfigError(f"'{name}' cannot be used: {fault.context['error']}", remedy=remedy)
    expectation = re.sub("^Input should be |(?<=dictionary) or .*", "", fault.message)
    return ConfigError(f"'{name}' is {_shown(fault.value)}", expected=expectation, remedy=remedy)


def _unknown(name: str, value: object, beside: Sequence[str], remedy: str, known: list[Place]) -> ConfigError:
    """Answer an unknown key with ours, if another program calls it so or it stands in the wrong place."""
    close = nearest(name.rpartition(".")[2], beside)
    misspelt = isinstance(value, Mapping) and close.startswith("did you mean")  # a section of ours: look no further
    answer = None if misspelt else foreign_key(name, value, known)
    if answer is None:
        return ConfigError(f"unknown key '{name}' ({close})", remedy=remedy)
    ours = f"here it is {' or '.join(answer.ours)}" if answer.ours else ""
    found = f"unknown key '{name}'; {' ('.join(filter(None, (ours, answer.note)))}"
    return ConfigError(f"{found})" if ours and answer.note else found, remedy=remedy)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
