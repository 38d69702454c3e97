"""Settings in a pickle are read as plain values; nothing in it is run, and no damage is more than a sentence."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data.importers.pickled import NotReadableError, Opaque, plain_value
from stcnn.data.importers.pickled_arrays import array_items, number_in, numbers_in

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(st.text(), inner)),
    max_leaves=12,
)


@given(PLAIN, st.integers(0, 5))
def test_plain_values_come_back(value: object, protocol: int) -> None:
    assert plain_value(pickle.dumps(value, protocol)) == value


@given(st.sampled_from(["f4", "f8", ">f8", "i2", "u1", "bool"]), st.integers(0, 5))
def test_numbers_of_numpy_come_back(dtype: str, protocol: int) -> None:
    values = np.array([[0, 1], [3, 7]]).astype(dtype)
    held = plain_value(
        pickle.dumps({"array": values, "scalar": values[1, 1], "objects": np.array([{"a": 1}])}, protocol)
    )
    np.testing.assert_array_equal(numbers_in(held["array"]), values.ravel())
    assert number_in(held["scalar"]) == values[1, 1]
    assert protocol == 5 or array_items(held["objects"]) == [{"a": 1}]


def test_what_would_run_is_a_placeholder() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.abort, ()

    for protocol in range(6):
        held = plain_value(pickle.dumps({"bomb": Bomb(), "fs": 3}, protocol))
        assert held["fs"] == 3
        assert isinstance(held["bomb"], Opaque)
        assert number_in(held["bomb"]) is None


def test_copies_of_copies_take_no_more_than_their_bytes() -> None:
    inner: list[object] = []
    for _ in range(200):
        inner = [inner] * 10
    assert number_in(plain_value(pickle.dumps({"fs": 1.5, "deep": inner}))["fs"]) == 1.5
    keys: tuple[object, ...] = ()
    for _ in range(200):
        keys = (keys, keys)
    doubled = pickletools.optimize(pickle.dumps([keys]))
    with_key = b"\x80\x04}" + doubled[2:-1] + b"K\x01s."  # a dictionary whose key takes 2^200 steps to hash
    assert plain_value(with_key) == {}


@given(st.binary(max_size=60), st.integers(0, 80))
def test_damage_is_one_error(noise: bytes, at: int) -> None:
    whole = pickle.dumps({"db": {"fs": 15.0}, "fs": np.float64(10), "names": ["a", "b"]}, 4)
    for damaged in (noise, whole[:at], whole[:at] + noise + whole[at + len(noise) :]):
        with contextlib.suppress(NotReadableError):
            plain_value(damaged)


def test_an_endless_pickle_is_refused() -> None:
    with pytest.raises(NotReadableError, match="damaged"):
        plain_value(b"\x80\x04]" + b"(" * 10)
    with pytest.raises(NotReadableError, match="finds no mark"):
        plain_value(b"\x80\x04]e.")
