"""Overrides: the command line made ready for Hydra, and what Hydra says made ready for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stcnn.cell_type_names import cell_type_name
from stcnn.errors import ConfigError, nearest
from stcnn.foreign_keys import CHOICES, Answer, foreign_key
from stcnn.key_paths import Place

CONF = Path(__file__).parent / "conf"
"""Folder of ``config.yaml`` and its groups."""
OF_CELL_TYPE = re.compile(r"([+~]*model\.cell_types\.)([^.=]+)")
HYDRA_OPTIONS = (
    "--help",
    "--hydra-help",
    "--version",
    "--cfg",
    "--resolve",
    "--package",
    "--run",
    "--multirun",
    "--info",
)
"""Options that are Hydra's, whatever keys are called."""


def require_no_foreign_option(arguments: Sequence[str], ours: Sequence[Place]) -> None:
    """Answer an option that is a key: ``--lr`` is ``training.learning_rate``.

    Args:
        arguments: of the command line.
        ours: all keys there are.

    Raises:
        ConfigError: there is such an option.
    """
    for argument in arguments:
        option = re.match(r"--?([A-Za-z_][\w.-]*)", argument)
        name = option[1].replace("-", "_") if option else ""
        known = {place.path for place in ours}
        answer = Answer((name,)) if name in known else foreign_key(name, None, ours) if name else None
        if answer and not (option and option[0] in HYDRA_OPTIONS):
            raise ConfigError(
                f"'{argument}' is no option; here it is {' or '.join(answer.ours) or answer.note}",
                expected="KEY=VALUE, for instance seed=2",
            )


def plain(composed: DictConfig) -> dict[str, Any]:
    """Return what Hydra composed as plain values, interpolations resolved."""
    values = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def choices() -> dict[str, list[str]]:
    """Return the names one can choose from, by the group: ``dataset`` and ``model``."""
    groups = {path.name: sorted(file.stem for file in path.glob("*.yaml")) for path in CONF.iterdir() if path.is_dir()}
    return {group: names for group, names in groups.items() if names}  # conf/cluster holds scripts


def with_prefix(overrides: Sequence[str]) -> list[str]:
    """Let Hydra accept every key: whether one exists is judged later, with the nearest valid name.

    Hydra itself knows only keys that the YAML files spell out, not the fields that keep their default.

    Raises:
        ConfigError: a number or a list stands where a file of a group is to be chosen, at which Hydra itself fails.
    """
    groups = choices()
    overrides = [with_cell_type_name(override) for override in overrides]
    for override in overrides:
        group, _, choice = override.lstrip("+").partition("=")
        if group in groups and re.match(r"[-+.\d\[{]|(nan|inf|null|true|false)$", choice, re.IGNORECASE):
            raise ConfigError(f"{group}={choice} is not among the choices ({nearest(choice, groups[group])})")

    def known_to_hydra(override: str) -> bool:
        key = re.match(r"[A-Za-z_][\w.]*(?==)", override)
        return key is None or key[0] in groups or key[0].split(".")[0] == "hydra"

    return [override if known_to_hydra(override) else f"++{override}" for override in overrides]


def of_cell_type(override: str) -> str | None:
    """The cell type whose settings an override gives, in lower case; None of any other override."""
    found = OF_CELL_TYPE.match(override)
    return None if found is None else cell_type_name(found[2])


def with_cell_type_name(override: str) -> str:
    """An override with the name of its cell type as the YAML files write it: case makes no difference."""
    return OF_CELL_TYPE.sub(lambda found: found[1] + cell_type_name(found[2]), override)


@contextmanager
def explaining_hydra() -> Iterator[None]:
    """Say in one sentence why Hydra could not compose a configuration."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        if isinstance(error, MissingConfigException) and error.options:
            group, _, choice = str(error.missing_cfg_file).partition("/")
            found = f"{group}={choice} is not among the choices"
            if ours := CHOICES.get(f"{group}={choice}"):
                raise ConfigError(f"{found}; here it is {ours}") from error
            found += f" ({nearest(choice, error.options)})"
            raise ConfigError(found, remedy=_of_a_file(group, choice)) from error
        if isinstance(error, OverrideParseException):
            found = f"'{error.override.removeprefix('++')}' cannot be read as an override"
            raise ConfigError(found, expected="KEY=VALUE, for instance seed=2") from error
        first = str(error).strip().splitlines()[0].rstrip(".")
        raise ConfigError(f"the configuration cannot be composed: {first}") from error


def _of_a_file(group: str, choice: str) -> str:
    """Hint for a file that was given where the name of a choice is meant."""
    if group != "dataset":
        return ""
    match Path(choice).suffix:
        case ".zarr":
            return f"if it is a store: dataset=store dataset.path={choice}"
        case ".yaml" | ".yml":
            return f"if it describes an import: stcnn data import {choice}, then train on the store"
    return ""
