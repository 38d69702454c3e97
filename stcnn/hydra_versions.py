"""What Hydra 1.3 and 1.4 want to be asked differently, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hydra
from omegaconf import OmegaConf

IS_1_3 = hydra.__version__.startswith("1.3.")
BASE: dict[str, Any] = {"version_base": "1.3"} if IS_1_3 else {}
"""Arguments of Hydra's entry points: 1.3 asks whose defaults are meant, 1.4 warns of those who say so."""


def register_resolver(name: str, resolver: Callable[..., object]) -> None:
    """Let ``${NAME:}`` in a YAML file stand for what a function returns; one of that name is replaced.

    OmegaConf 2.4, which comes with Hydra 1.4, calls so what 2.3 still calls new.
    """
    register: Any = OmegaConf.register_new_resolver if IS_1_3 else OmegaConf.register_resolver
    register(name, resolver, replace=True)
