"""Movies as an import names them: a file and what it does not say, or a generator and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stcnn.errors import ConfigError
from stcnn.movie import Movie
from stcnn.stimuli.files import read_chosen
from stcnn.stimuli.formats import Choices
from stcnn.stimuli.scene import render
from stcnn.stimuli.screen import Screen
from stcnn.validation import Fault, validated


def specified_movie(spec: Mapping[str, Any]) -> Movie:
    """Make the movie of a specification; its values may be text, which is typed by the key.

    Args:
        spec: ``file`` and arguments of :func:`~stcnn.stimuli.files.read_movie`, such as ``rate_hz``; or ``kind`` and
            the arguments of a generator, and of the screen ``shape_px``, ``deg_per_px``, ``rate_hz``, ``background``.

    Raises:
        ConfigError: neither ``file`` nor ``kind`` is given or both are, a key is unknown or a value out of range.
        StcnnError: the file cannot be read.
    """
    given = [key for key in ("file", "kind") if key in spec]
    if len(given) != 1:
        found = f"both a file ({spec['file']}) and a kind ({spec['kind']})" if given else "neither a file nor a kind"
        raise ConfigError(f"a stimulus has {found}", expected="one of the two", remedy="take one out, or name one")
    return _from_file(spec) if "file" in spec else _drawn(spec)


def _from_file(spec: Mapping[str, Any]) -> Movie:
    facts = {key: value for key, value in spec.items() if key != "file"}
    return read_chosen(spec["file"], Choices.of(facts, f"the movie file {spec['file']}"))


def _drawn(spec: Mapping[str, Any]) -> Movie:
    screen = {key: value for key, value in spec.items() if key in Screen.model_fields}
    chosen = validated(Screen, screen, lambda fault: _refused(fault, f"the screen of the stimulus '{spec['kind']}'"))
    return render(chosen, {key: value for key, value in spec.items() if key not in Screen.model_fields})


def _refused(fault: Fault, what: str) -> ConfigError:
    return ConfigError(f"{what} has {fault.key}={fault.value!r}", remedy=fault.rule)
