"""YAML, read as it is written.

YAML 1.1 makes ``010`` eight, ``12:30`` seven hundred and fifty, ``NO`` false and ``2026-01-02`` a date, so that a cell,
an animal or a session loses its name. Here a plain value is the text that stands in the file, and only an empty one,
``~`` and ``null`` are None; the field that takes it gives it its type. Values under chosen keys, whose fields take
anything, are typed by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) where that loses
nothing: ``010`` stays text. Quoted values are always text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml import events

from stcnn.errors import FileError
from stcnn.reading.faults import readable, reading
from stcnn.reading.text import DEPTH, TEXT_BYTES, WHOLE_NUMBERS, read_text, require_plain

VALUES = 200_000
"""Most values that a file may hold, what its aliases repeat included."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {**dict.fromkeys(("true", "True", "TRUE"), True), **dict.fromkeys(("false", "False", "FALSE"), False)}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*|(0|[1-9][0-9]*)(?=[eE]))([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
Typing = Callable[[str], Any]


def core_value(text: str) -> Any:  # noqa: ANN401 - what the text says
    """Type a plain value by the core schema of YAML 1.2; text that only looks like a number, such as ``010``, stays."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) <= 21 and abs(int(text)) < WHOLE_NUMBERS else text
    if _OTHER_BASE.fullmatch(text) and len(text) <= 18:
        return int(text, 0)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if signed := _INFINITE.fullmatch(text):
        return -math.inf if signed[1] == "-" else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text


def read_yaml(
    path: str | Path, what: str, *, typed_under: Collection[str] = (), limit_bytes: int = TEXT_BYTES
) -> dict[str, Any]:
    """Read the keys of a YAML file, every value as the text that stands there.

    Args:
        path: of the file.
        what: what is expected there.
        typed_under: keys, at any depth, under which plain values are typed by :func:`core_value`.
        limit_bytes: longest file that is read.

    Returns:
        Text, None, lists, and dictionaries whose keys are text.

    Raises:
        FileError: there is no such file, it is not UTF-8 or no YAML, it holds no keys, a key stands twice, or it is
            of no sensible depth or size.
    """
    return parse_yaml(read_text(path, what, limit_bytes), str(path), what, typed_under=typed_under)


def parse_yaml(text: str, where: str, what: str, *, typed_under: Collection[str] = ()) -> dict[str, Any]:
    """Keys of a YAML text; arguments and errors as :func:`read_yaml`, and ``where`` is what to call the text."""
    return _keys(text, where, what, _Building(_as_written, frozenset(typed_under)))


def parse_value(text: str, where: str, what: str) -> Any:  # noqa: ANN401 - what the text says
    """Value of a YAML text that need not hold keys, plain values typed by :func:`core_value`; errors as above."""
    return _value(text, where, what, _Building(core_value))


def read_saved_yaml(path: str | Path, what: str) -> dict[str, Any]:
    """Read a YAML file that this program saved (``yaml.safe_dump``), with the types its values had.

    Raises:
        FileError: as :func:`read_yaml`.
    """
    return _keys(read_text(path, what), str(path), what, _Building(_as_saved()))


def _keys(text: str, where: str, what: str, building: _Building) -> dict[str, Any]:
    value = _value(text, where, what, building)
    if not isinstance(value, dict):
        raise FileError(f"{where} holds no keys", expected=what)
    return value


def _value(text: str, where: str, what: str, building: _Building) -> Any:  # noqa: ANN401
    try:
        with reading(where, what, remedy="correct it there"):
            value = building.build(yaml.parse(text, Loader=_LOADER))
            require_plain(value)
    except FileError as error:
        cause = error.__cause__
        if isinstance(cause, yaml.YAMLError):
            raise FileError(f"{where} is not valid YAML ({_place_of(cause)})", expected=what) from None
        raise
    return value


def _place_of(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    said = readable(str(problem or error).splitlines()[0])
    return f"line {mark.line + 1}: {said}" if mark is not None else said


def _as_written(text: str) -> str | None:
    return None if text in _NULL else text


def _as_saved() -> Typing:
    loader = yaml.SafeLoader("")

    def value(text: str) -> Any:  # noqa: ANN401
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))
        return loader.construct_object(yaml.ScalarNode(tag, text))

    return value


@dataclass
class _Open:
    """A list or dictionary that is being filled."""

    value: Any
    line: int
    typed: bool
    anchor: str | None
    first: int
    """How many values there were before it."""
    lines: dict[Any, int] = field(default_factory=dict)
    """Where each key stands."""
    key: Any = None
    has_key: bool = False
    merged: dict[str, Any] = field(default_factory=dict)
    """Values that ``<<`` brings in, under the keys of the dictionary itself."""


class _Building:
    """Builds values from the events of a YAML parser, without recursion.

    Args:
        typing: of plain values.
        typed_under: keys under which they are typed by the core schema instead.
    """

    def __init__(self, typing: Typing, typed_under: frozenset[str] = frozenset()) -> None:
        self.typing = typing
        self.typed_under = typed_under
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.n_values = 0
        self.result: Any = None
        self.n_documents = 0

    def build(self, stream: Iterator[events.Event]) -> Any:  # noqa: ANN401
        """The value of the one document of a stream.

        Raises:
            ValueError: it cannot be taken; the message says why.
            yaml.YAMLError: it is no YAML.
        """
        for event in stream:
            self._take(event)
        return self.result

    def _take(self, event: events.Event) -> None:
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, events.DocumentStartEvent):
            self.n_documents += 1
            if self.n_documents > 1:
                raise ValueError(f"line {line} begins a second document")
        elif isinstance(event, events.ScalarEvent):
            self._require_no_tag(event, line)
            value = self._typed(event.value) if event.implicit[0] else event.value  # the first is true of plain values
            self._place(value, event.anchor, line)
        elif isinstance(event, events.AliasEvent):
            if event.anchor not in self.anchors:
                raise ValueError(f"line {line} repeats '*{readable(event.anchor)}', which is not complete before it")
            value, size = self.anchors[event.anchor]
            self.n_values += size
            self._place(value, None, line)
        elif isinstance(event, events.CollectionStartEvent):
            self._require_no_tag(event, line)
            self._begin({} if isinstance(event, events.MappingStartEvent) else [], event.anchor, line)
        elif isinstance(event, events.CollectionEndEvent):
            self._end()

    def _typed(self, text: str) -> Any:  # noqa: ANN401
        top = self.open[-1] if self.open else None
        if top is None or (isinstance(top.value, dict) and not top.has_key):
            return self.typing(text) if self.typing is not _as_written else text
        return core_value(text) if top.typed or top.key in self.typed_under else self.typing(text)

    def _require_no_tag(self, event: events.ScalarEvent | events.CollectionStartEvent, line: int) -> None:
        if event.tag not in (None, "!"):
            raise ValueError(f"line {line} has the tag '{readable(event.tag)}'; tags are not taken")

    def _begin(self, value: Any, anchor: str | None, line: int) -> None:  # noqa: ANN401
        if len(self.open) >= DEPTH:
            raise ValueError(f"line {line} is nested too deeply")
        above = self.open[-1] if self.open else None
        if above is not None and isinstance(above.value, dict) and not above.has_key:
            raise ValueError(f"line {line} has a list or keys in the place of a key")
        typed = above is not None and (above.typed or above.key in self.typed_under)
        self.open.append(_Open(value, line, typed, anchor, self.n_values))

    def _end(self) -> None:
        done = self.open.pop()
        if done.merged:
            done.value = done.merged | done.value
        if done.anchor:
            self.anchors[done.anchor] = done.value, self.n_values - done.first + 1
        self._place(done.value, None, done.line)

    def _place(self, value: Any, anchor: str | None, line: int) -> None:  # noqa: ANN401
        self.n_values += 1
        if self.n_values > VALUES:
            raise ValueError(f"line {line} makes more than {VALUES} values")
        if anchor:
            self.anchors[anchor] = value, 1
        if not self.open:
            self.result = value
            return
        top = self.open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif not top.has_key:
            if isinstance(value, dict | list):
                raise ValueError(f"line {line} has a list or keys in the place of a key")
            if value in top.lines:
                raise ValueError(f"the key '{readable(value)}' stands twice, in lines {top.lines[value]} and {line}")
            top.key = value
            top.has_key = True
            top.lines[value] = line
        else:
            self._set(top, value, line)

    def _set(self, top: _Open, value: Any, line: int) -> None:  # noqa: ANN401
        top.has_key = False
        if top.key != "<<":
            top.value[top.key] = value
            return
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            raise ValueError(f"line {line} merges what holds no keys")
        for source in reversed(sources):
            top.merged |= source
