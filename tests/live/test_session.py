"""A session: a message that is no frame is counted, answered with a sentence and skipped; the rest has its numbers."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.live.messages import Disconnected, Frame, Message, Packed
from stcnn.live.session import Session
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from tests.support.malformed import GOOD, MALFORMED
from tests.support.nn_twin import POPULATION, Case

SHAPE_PX = (11, 13)
RATE_HZ = 60.0


@pytest.fixture(scope="module")
def model() -> STCNN:
    torch.manual_seed(0)
    return STCNN(Case().config(), POPULATION)


@pytest.fixture
def session(model: STCNN) -> Session:
    return Session(model.stream(rate_hz=RATE_HZ, start="rest"), SHAPE_PX, RATE_HZ)


def codes(n_frames: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n_frames, *SHAPE_PX), dtype=np.uint8)


def said(header: dict[str, Any], *parts: bytes) -> Message:
    return Message(json.dumps(header).encode(), parts, 0.0)


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_malformed_message_has_its_sentence_and_the_stream_goes_on(
    kind: str, session: Session, model: STCNN
) -> None:
    (header, *parts), sentence = MALFORMED[kind]
    shown = codes(4)
    session.answer(said({"frame": 0}, shown[0].tobytes()))
    refused = session.answer(Message(header, parts, 0.0))
    assert re.search(sentence, refused["error"])
    assert (refused["message"], refused["n_refused"]) == (1, 1)
    answers = [session.answer(said({"frame": n}, shown[n].tobytes())) for n in (2, 3)]
    shown[1] = shown[0]  # at the number of the one that was refused the model saw the frame before
    right = model.predict(Movie(shown, RATE_HZ), start="rest")["lc11"][2:]
    np.testing.assert_allclose([answer["calcium"]["lc11"] for answer in answers], right, rtol=1e-5)
    assert answers[-1]["n_refused"] == 1


def test_a_long_faulty_value_is_not_repeated_whole(session: Session) -> None:
    assert len(session.answer(said({"frame": "1" * 50_000}))["error"]) < 300
    assert len(session.answer(said({"k" * 50_000: 1}))["error"]) < 500
    assert len(session.answer(said({"shape": [1] * 20_000}))["error"]) < 400


def test_a_gap_is_shown_as_the_frame_before_also_if_the_next_one_is_refused(session: Session, model: STCNN) -> None:
    shown = codes(8)
    session.answer(Frame(shown[0], 0, 0.0))
    session.answer(Frame(np.full(SHAPE_PX, np.nan), 4, 0.0))
    last = session.answer(Frame(shown[7], 7, 0.0))
    shown[1:7] = shown[0]
    assert last["calcium"]["lc11"] == pytest.approx(
        model.predict(Movie(shown, RATE_HZ), start="rest")["lc11"][7], rel=1e-5
    )
    assert last["n_dropped"] == 6


def test_a_sender_may_ask_what_is_expected_without_a_frame(session: Session) -> None:
    answer = session.answer(said({"hello": True}))
    assert answer["hello"]["shape"] == [11, 13]
    assert answer["hello"]["cell_types"] == ["lc11", "lc4"]
    assert session.latencies.n_refused == 0


def test_after_a_reset_the_answers_are_those_of_the_start(session: Session) -> None:
    shown = codes(3)
    first = [session.answer(Frame(frame, n, 0.0))["calcium"] for n, frame in enumerate(shown)]
    assert session.answer(said({"reset": True})) == {"reset": True}
    assert [session.answer(Frame(frame, n, 0.0))["calcium"] for n, frame in enumerate(shown)] == first


def test_a_connection_that_ended_is_counted(session: Session) -> None:
    assert session.answer(Disconnected("it left.")) == {"notice": "it left.", "n_disconnected": 1}
    assert session.n_messages == 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["frame", "time_s", "shape", "dtype", "reset", "end", "hello", "follow"])
HEADERS = st.dictionaries(KEYS, VALUES, max_size=4).map(lambda facts: json.dumps(facts).encode()) | st.binary(
    max_size=40
)
PARTS = st.lists(st.binary(max_size=20) | st.just(GOOD) | st.just(4 * GOOD), max_size=3)


@settings(max_examples=1000)
@given(header=HEADERS, parts=PARTS, is_packed=st.booleans())
def test_whatever_comes_is_answered_and_the_stream_goes_on(header: bytes, parts: list[bytes], is_packed: bool) -> None:
    """A thousand messages, one after the other in one session; a frame after each has its answer."""
    session, first = _hardened()
    data = b"".join((len(header).to_bytes(4, "little"), header, *parts))
    answer = session.answer(Packed(data, 0.0) if is_packed else Message(header, parts, 0.0))
    json.dumps(answer)
    assert {"error", "calcium", "hello", "follow", "reset", "summary"} & answer.keys()
    assert session.answer(said({"frame": 0, "reset": True}, GOOD))["calcium"] == first


@cache
def _hardened() -> tuple[Session, dict[str, float]]:
    torch.manual_seed(0)
    session = Session(STCNN(Case().config(), POPULATION).stream(rate_hz=RATE_HZ, start="rest"), SHAPE_PX, RATE_HZ)
    return session, session.answer(said({"frame": 0}, GOOD))["calcium"]


def test_good_bytes_are_a_frame(session: Session) -> None:
    assert session.answer(said({}, GOOD))["frame"] == 0
