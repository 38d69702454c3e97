"""Compiled code of another processor, called as if it were that of this one: the memory goes to an emulator and back.

A :class:`Library` takes the place of ``ctypes.CDLL``. What the compiled code may read is known from what was asked for
its address; a struct's words that lie in such memory are its pointers. ``elsewhere.cpp`` calls the function over there.
"""

from __future__ import annotations

import ctypes
import shlex
import struct
import subprocess
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from stcnn.nn.inference import native_clips
from stcnn.nn.kernels.native import compile as native_library
from stcnn.nn.kernels.native import layer as native_layer
from stcnn.nn.kernels.native import pointers as native_pointers
from stcnn.nn.kernels.native.pointers import PointerOwner
from stcnn.nn.stack import column_sampling
from tests.support.nn_compiler import compiled_by

SOURCE = Path(__file__).with_name("elsewhere.cpp")
ALIGNMENT = 64
MOST_ARGUMENTS = 6
"""As many integers and addresses go through registers on every processor."""


class Memory:
    """All memory that compiled code has been given the address of."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._kept: list[object] = []
        self.structs: set[int] = set()

    def add(self, start: int, size: int, owner: object) -> None:
        """Remember where something lies, and keep it there."""
        place = bisect_right(self._starts, start)
        if place and self._starts[place - 1] == start:
            self._sizes[place - 1] = max(size, self._sizes[place - 1])
        else:
            self._starts.insert(place, start)
            self._sizes.insert(place, size)
        self._kept.append(owner)

    def tensor(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        self.add(storage.data_ptr(), storage.nbytes(), tensor)

    def struct(self, data: ctypes.Structure | ctypes.Array) -> None:
        self.structs.add(ctypes.addressof(data))
        self.add(ctypes.addressof(data), ctypes.sizeof(data), data)

    def start_of(self, address: int) -> int | None:
        """Where that begins which holds an address."""
        place = bisect_right(self._starts, address) - 1
        if place < 0 or address >= self._starts[place] + self._sizes[place]:
            return None
        return self._starts[place]

    def size(self, start: int) -> int:
        """Bytes of what begins there."""
        return self._sizes[bisect_right(self._starts, start) - 1]


class Function:
    """A function of a library over there, and the address it goes by here."""

    argtypes: object = None
    restype: object = None

    def __init__(self, machine: Machine, library: str, name: str) -> None:
        self.machine, self.library, self.name = machine, library, name
        self._token = ctypes.create_string_buffer(8)
        self.address = ctypes.addressof(self._token)
        self._as_parameter_ = ctypes.c_void_p(self.address)
        machine.functions[self.address] = self

    def __call__(self, *arguments: Any) -> int:  # as ctypes
        return Call(self.machine).run(self, arguments)


class Library:
    """Takes the place of ``ctypes.CDLL``."""

    def __init__(self, machine: Machine, file: str) -> None:
        self._machine, self._file = machine, file

    def __getattr__(self, name: str) -> Function:
        function = Function(self._machine, self._file, name)
        setattr(self, name, function)
        return function


class Machine:
    """An emulated processor.

    Args:
        compiler: command of its compiler.
        emulator: command that runs a program of it.
        folder: where the program is made that runs over there.
    """

    def __init__(self, compiler: str, emulator: str, folder: Path) -> None:
        self.memory, self.functions = Memory(), dict[int, Function]()
        self.calls = 0
        program = folder / "elsewhere"
        command = [*shlex.split(compiler), "-std=c++17", "-O1", str(SOURCE), "-ldl", "-o", str(program)]
        subprocess.run(command, check=True)
        self.command = [*shlex.split(emulator), str(program)]

    def answer(self, message: bytes) -> bytes:
        """Send a message over."""
        self.calls += 1
        done = subprocess.run(self.command, input=message, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


class Call:
    """One call: what the function can reach goes over, and what has become of it comes back."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.memory = machine, machine.memory
        self.starts: list[int] = []
        self.functions: list[Function] = []

    def run(self, function: Function, arguments: tuple[Any, ...]) -> int:
        """Call with addresses, integers and at most one float; what is returned is an int32 or int64."""
        decimal = next((a for a in arguments if isinstance(a, float)), 0.0)
        whole = [self.integer(a) for a in arguments if not isinstance(a, float)]
        sent = [word for a in [*whole, *[0] * (MOST_ARGUMENTS - len(whole))] for word in self.place(a)]
        called, links = self.number(function), []
        for start in self.starts:  # which grows on the way
            if start in self.memory.structs:
                links += self.links(start)
        message = [*self.named(), words(len(self.starts))]
        for start in self.starts:
            size = self.memory.size(start)
            message += [words(size, start % ALIGNMENT), ctypes.string_at(start, size)]
        message += [words(len(links) // 4, *links, called), struct.pack("<d", decimal), words(*sent)]
        answer = self.machine.answer(b"".join(message))
        self.take(answer[8:])
        return int(struct.unpack_from("<q" if function.restype is ctypes.c_int64 else "<i", answer)[0])

    def integer(self, argument: object) -> int:
        """An argument as a number: itself, or the address of a struct that is handed over by reference."""
        if isinstance(argument, int):
            return argument
        data: ctypes.Structure = argument._obj  # type: ignore[attr-defined]
        self.memory.struct(data)
        return ctypes.addressof(data)

    def place(self, address: int) -> tuple[int, int]:
        """Number of the region that holds an address, and where in it; -1 and the number itself if there is none."""
        start = self.memory.start_of(address)
        if start is None:
            return -1, address
        if start not in self.starts:
            self.starts.append(start)
        return self.starts.index(start), address - start

    def links(self, start: int) -> list[int]:
        """The addresses in a struct or an array of pointers."""
        found: list[int] = []
        for offset in range(0, self.memory.size(start), 8):
            value = ctypes.c_int64.from_address(start + offset).value
            if value in self.machine.functions:
                found += [*self.place(start + offset), -1, self.number(self.machine.functions[value])]
            elif self.memory.start_of(value) is not None:
                found += [*self.place(start + offset), *self.place(value)]
        return found

    def number(self, function: Function) -> int:
        """Number of a function among those of this call."""
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function)

    def named(self) -> list[bytes]:
        """Libraries and functions."""
        files = list(dict.fromkeys(function.library for function in self.functions))
        message = [words(len(files)), *[text(file) for file in files], words(len(self.functions))]
        return message + [words(files.index(f.library)) + text(f.name) for f in self.functions]

    def take(self, answer: bytes) -> None:
        """Put back what the regions hold now, but for structs, whose addresses are those over there."""
        for start in self.starts:
            size = self.memory.size(start)
            if start not in self.memory.structs:
                ctypes.memmove(start, answer[:size], size)
            answer = answer[size:]
        assert not answer


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def text(s: str) -> bytes:
    return words(len(s.encode())) + s.encode()


@contextmanager
def elsewhere(machine: Machine, compiler: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the native core be compiled for, and run on, another machine."""
    address_of, struct_, pointers = native_pointers.address_of, PointerOwner.struct, PointerOwner.pointers

    def remembered(tensor: Tensor, *arguments: Any, **options: Any) -> int:
        machine.memory.tensor(tensor)
        return address_of(tensor, *arguments, **options)

    def remembered_struct(keeper: PointerOwner, data: ctypes.Structure) -> int:
        machine.memory.struct(data)
        return struct_(keeper, data)

    def remembered_pointers(keeper: PointerOwner, addresses: list[int]) -> int:
        address = pointers(keeper, addresses)
        machine.memory.struct(keeper._kept[-1])  # type: ignore[arg-type]
        return address

    threads = torch.get_num_threads()
    with patch.context() as patched, compiled_by(compiler):
        for module in (native_layer, native_clips, column_sampling, native_pointers):
            patched.setattr(module, "address_of", remembered)
        patched.setattr(PointerOwner, "struct", remembered_struct)
        patched.setattr(PointerOwner, "pointers", remembered_pointers)
        patched.setattr(native_library, "FLAGS", tuple(f for f in native_library.FLAGS if f != "-march=native"))
        patched.setattr(native_library, "ctypes", SimpleNamespace(CDLL=lambda file: Library(machine, file)))
        torch.set_num_threads(1)  # calls do not share memory over there
        try:
            yield
        finally:
            torch.set_num_threads(threads)
