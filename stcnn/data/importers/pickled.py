"""Plain values out of a pickle whose instructions are never carried out.

Suite2p keeps its settings as a pickled dictionary, and pickles can run code. Here the instructions are read one by
one (:func:`pickletools.genops`), numbers, text, lists, tuples and dictionaries are built from them, and so are numpy's
numbers and arrays of numbers; whatever else a pickle asks for (functions, classes, objects) becomes an
:class:`Opaque` placeholder. No name is looked up, nothing is called. What a value shares stays shared, and nothing
here walks through values, so that a pickle of nested copies costs no more than its bytes.

The numbers of the instructions are those of the pickle protocols 0 to 5 (Python's ``pickletools``); numpy 1 wrote
protocols 2 and 3, numpy 2 writes protocol 4.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LARGEST_PICKLE_BYTES = 512 * 2**20
"""Settings of Suite2p hold a few pictures of the field, some megabytes each."""
MOST_INSTRUCTIONS = 2_000_000


class NotReadableError(ValueError):
    """A pickle that is damaged, too large, or uses an instruction that has no meaning here."""


@dataclass
class Opaque:
    """A placeholder for what is not built: a function, a class, or an object made by one.

    Args:
        name: module and name, where the pickle gives one.
        arguments: what the pickle would have called it with.
        state: what the pickle would have given it.
    """

    name: str = ""
    arguments: tuple[Any, ...] = ()
    state: Any = None


class _Mark:
    """Where a list of items begins on the stack."""


@dataclass
class _Machine:
    """The stack and the memory of a pickle that is being read."""

    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:  # noqa: ANN401 - whatever the pickle holds
        """Take the value on top.

        Raises:
            NotReadableError: there is none.
        """
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise NotReadableError("an instruction finds nothing on the stack")
        return self.stack.pop()

    def to_mark(self) -> list[Any]:
        """Take everything down to the last mark, and the mark."""
        items: list[Any] = []
        while self.stack:
            item = self.stack.pop()
            if isinstance(item, _Mark):
                return items[::-1]
            items.append(item)
        raise NotReadableError("an instruction finds no mark on the stack")


def plain_value(pickled: bytes) -> Any:  # noqa: ANN401 - whatever the pickle holds
    """The value of a pickle, with placeholders for what would have to run code.

    Raises:
        NotReadableError: the pickle is damaged, or larger than such a file can be.
    """
    if len(pickled) > LARGEST_PICKLE_BYTES:
        raise NotReadableError(f"the pickle has {len(pickled)} bytes")
    machine = _Machine()
    try:
        for count, (instruction, value, _) in enumerate(pickletools.genops(io.BytesIO(pickled))):
            if count > MOST_INSTRUCTIONS:
                raise NotReadableError(f"the pickle has more than {MOST_INSTRUCTIONS} instructions")
            if instruction.name == "STOP":
                return machine.pop()
            _carry_out(machine, instruction.name, value)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise NotReadableError(f"the pickle is damaged ({error})") from error
    raise NotReadableError("the pickle has no end")


def _carry_out(machine: _Machine, name: str, value: Any) -> None:  # noqa: ANN401 - the argument of an instruction
    if name in _CONSTANTS:
        machine.push(value)
    elif name in _FIXED:
        machine.push(_FIXED[name]())
    elif name in _ACTIONS:
        _ACTIONS[name](machine, value)
    elif name not in _NOTHING:
        raise NotReadableError(f"the instruction {name} has no meaning in a file of settings")


_CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_FIXED: dict[str, Callable[[], Any]] = {
    **{"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
    **{"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": list, "MARK": _Mark},
    **{"PERSID": Opaque, "EXT1": Opaque, "EXT2": Opaque, "EXT4": Opaque, "NEXT_BUFFER": Opaque},
}
_NOTHING = {"PROTO", "FRAME", "READONLY_BUFFER"}


def _put(machine: _Machine, place: int | None) -> None:
    machine.memo[len(machine.memo) if place is None else int(place)] = machine.stack[-1]


def _get(machine: _Machine, place: int) -> None:
    machine.push(machine.memo[int(place)])


def _pop(machine: _Machine, _: object) -> None:
    machine.stack.pop()


def _pop_mark(machine: _Machine, _: object) -> None:
    machine.to_mark()


def _tuple_of(number: int) -> Callable[[_Machine, Any], None]:
    def make(machine: _Machine, _: object) -> None:
        machine.push(tuple([machine.pop() for _ in range(number)][::-1]))

    return make


def _pairs(target: object, items: list[Any]) -> None:
    """Put keys and values into a dictionary; a key that is no text or number is left out, as nothing asks for it."""
    if isinstance(target, dict):
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(key, str | int | float | bytes):
                target[key] = value


def _items(target: object, items: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(items)


def _set_item(machine: _Machine, _: object) -> None:
    value = machine.pop()
    key = machine.pop()
    _pairs(machine.stack[-1], [key, value])


def _set_items(machine: _Machine, _: object) -> None:
    items = machine.to_mark()
    _pairs(machine.stack[-1], items)


def _append(machine: _Machine, _: object) -> None:
    item = machine.pop()
    _items(machine.stack[-1], [item])


def _appends(machine: _Machine, _: object) -> None:
    items = machine.to_mark()
    _items(machine.stack[-1], items)


def _dict_of_items(machine: _Machine, _: object) -> None:
    made: dict[Any, Any] = {}
    _pairs(made, machine.to_mark())
    machine.push(made)


def _stack_global(machine: _Machine, _: object) -> None:
    name = machine.pop()
    module = machine.pop()
    machine.push(Opaque(f"{module} {name}" if isinstance(module, str) and isinstance(name, str) else ""))


def _reduce(machine: _Machine, _: object) -> None:
    arguments = machine.pop()
    called = machine.pop()
    machine.push(_made(called, arguments))


def _new_object(machine: _Machine, _: object) -> None:
    arguments = machine.pop()
    machine.push(Opaque(_name(machine.pop()), arguments if isinstance(arguments, tuple) else ()))


def _new_object_with_keys(machine: _Machine, _: object) -> None:
    machine.pop()
    _new_object(machine, None)


def _instance(machine: _Machine, name: object) -> None:
    machine.push(Opaque(str(name), tuple(machine.to_mark())))


def _object(machine: _Machine, _: object) -> None:
    items = machine.to_mark()
    machine.push(Opaque(_name(items[0]), tuple(items[1:])))


def _persistent(machine: _Machine, _: object) -> None:
    machine.pop()
    machine.push(Opaque())


def _build(machine: _Machine, _: object) -> None:
    state = machine.pop()
    if isinstance(machine.stack[-1], Opaque):
        machine.stack[-1].state = state


_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    **{"TUPLE1": _tuple_of(1), "TUPLE2": _tuple_of(2), "TUPLE3": _tuple_of(3)},
    **{"TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark()))},
    **{"LIST": lambda machine, _: machine.push(machine.to_mark())},
    **{"FROZENSET": lambda machine, _: machine.push(machine.to_mark())},
    **{"DICT": _dict_of_items, "SETITEM": _set_item, "SETITEMS": _set_items},
    **{"APPEND": _append, "APPENDS": _appends, "ADDITEMS": _appends},
    **{"GLOBAL": lambda machine, name: machine.push(Opaque(str(name))), "STACK_GLOBAL": _stack_global},
    **{"REDUCE": _reduce, "NEWOBJ": _new_object, "NEWOBJ_EX": _new_object_with_keys, "INST": _instance, "OBJ": _object},
    **{"BUILD": _build, "BINPERSID": _persistent},
    **{"POP": _pop, "POP_MARK": _pop_mark},
    **{"DUP": lambda machine, _: machine.push(machine.stack[-1])},
}


def _name(value: object) -> str:
    return value.name if isinstance(value, Opaque) else ""


def _made(called: object, arguments: object) -> object:
    """Result of a call: bytes as protocol 2 spells them, else a placeholder."""
    given = arguments if isinstance(arguments, tuple) else ()
    if _name(called) == "_codecs encode" and len(given) == 2 and isinstance(given[0], str) and given[1] == "latin1":
        return given[0].encode("latin-1")
    if _name(called) == "__builtin__ bytes" and not given:
        return b""
    return Opaque(_name(called), given)
