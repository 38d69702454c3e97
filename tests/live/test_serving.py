"""A served model: its answers are those of the offline pass, whatever other peers do."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stcnn.live import zeromq
from stcnn.live.messages import Frame
from stcnn.live.outbox import MOST_WAITING, Outbox
from stcnn.live.service import Service
from stcnn.movie import Movie
from stcnn.nn.inference.stream import Stream
from stcnn.nn.model import STCNN
from tests.support.malformed import GOOD, MALFORMED
from tests.support.served import (
    PEERS,
    RATE_HZ,
    SHAPE_PX,
    TOKEN,
    WebSocketPeer,
    ZmqPeer,
    codes,
    served,
    small_model,
    wait_until,
)

TRANSPORTS = sorted(PEERS)


@pytest.fixture(scope="module")
def model() -> STCNN:
    return small_model()


def offline(model: STCNN, frames: np.ndarray) -> np.ndarray:
    return model.predict(Movie(frames, RATE_HZ), start="rest")["lc11"]


def show(peer: WebSocketPeer | ZmqPeer, frames: np.ndarray, first: int = 0) -> list[float]:
    """Calcium of each frame, asked for one after the other."""
    answers = [peer.ask({"frame": first + n}, frame.tobytes()) for n, frame in enumerate(frames)]
    return [answer["calcium"]["lc11"] for answer in answers]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_peers_have_states_of_their_own_and_the_answers_of_the_offline_pass(transport: str, model: STCNN) -> None:
    shown = codes(20)
    with served(model, transport) as (told, _), PEERS[transport](told) as one, PEERS[transport](told) as other:
        assert one.ask({"hello": True})["hello"]["shape"] == list(SHAPE_PX)
        found = [(show(one, shown[n : n + 1], n)[0], show(other, shown[19 - n : 20 - n], n)[0]) for n in range(20)]
        assert one.ask({"end": True})["summary"]["n_frames"] == 20
    np.testing.assert_allclose([mine for mine, _ in found], offline(model, shown), rtol=1e-5)
    np.testing.assert_allclose([other for _, other in found], offline(model, shown[::-1]), rtol=1e-5)
    assert (told.summary["n_frames"], told.summary["n_peers"], told.summary["n_unheard"]) == (40, 2, 0)


def test_the_program_of_the_documentation_is_answered(model: STCNN) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text()
    program = page.partition("```py\n")[2].partition("```")[0].replace("(83, 83)", str(SHAPE_PX))
    with served(model, "ws") as (told, _):
        command = [sys.executable, "-c", program.replace("ws://127.0.0.1:8765", told.url("ws"))]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout.startswith("{'lc11': ")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_malformed_message_is_answered_and_the_stream_goes_on(transport: str, model: STCNN) -> None:
    kinds = [kind for kind in MALFORMED if transport == "zmq" or len(MALFORMED[kind][0]) <= 2]
    shown = codes(2)
    with served(model, transport) as (told, _), PEERS[transport](told) as peer:
        for kind in kinds:
            (header, *parts), sentence = MALFORMED[kind]
            peer.ask({"frame": 0, "reset": True}, shown[0].tobytes())
            refused = peer.ask(header, *parts)["error"]
            assert re.search(re.sub(r"message 1 ", r"message \\d+ ", sentence), refused), (kind, refused)
            found = peer.ask({"frame": 2}, shown[1].tobytes())["calcium"]["lc11"]
            assert found == pytest.approx(offline(model, shown[[0, 0, 1]])[2], rel=1e-5), kind
    assert told.summary["n_refused"] == len(kinds)


def test_bytes_that_are_no_message_at_all_are_answered(model: STCNN) -> None:
    with served(model, "ws") as (told, _), WebSocketPeer(told) as peer:
        for data in (b"", b"abc", b"\xff\xff\xff\xff{}"):
            peer.connection.send(data)
            assert "announces a header" in peer.receive()["error"]
        peer.connection.send("not JSON")
        assert "the header of message 3 is b'not JSON'" in peer.receive()["error"]
        assert show(peer, codes(1), 4) == pytest.approx(offline(model, codes(1)), rel=1e-5)


def test_a_huge_message_ends_its_connection_unread_and_nobody_elses(model: STCNN) -> None:
    from websockets.exceptions import ConnectionClosedError

    shown = codes(4)
    with served(model, "ws") as (told, _), WebSocketPeer(told) as other:
        first = show(other, shown[:2])
        with WebSocketPeer(told) as huge:
            with suppress(ConnectionClosedError):
                huge.connection.send(bytes(8 << 20))
            with pytest.raises(ConnectionClosedError, match="1009"):
                huge.receive()
        found = first + show(other, shown[2:], 2)
        with WebSocketPeer(told) as again:
            assert show(again, shown[:2]) == first
    np.testing.assert_allclose(found, offline(model, shown), rtol=1e-5)
    assert told.summary["n_refused"] == 1


def test_a_huge_message_over_zmq_ends_its_connection_too(model: STCNN) -> None:
    with served(model, "zmq") as (told, service), ZmqPeer(told) as other, ZmqPeer(told) as huge:
        huge.ask({"frame": 0}, GOOD)
        huge.send({"frame": 1}, bytes(8 << 20))
        wait_until(lambda: service.counts["n_disconnected"] == 1)
        assert huge.ask({"frame": 0}, GOOD)["frame"] == 0  # it came back by itself, as a new peer
        assert show(other, codes(1)) == pytest.approx(offline(model, codes(1)), rel=1e-5)
    notice = next(event["notice"] for event in told.events if "notice" in event)
    assert re.search(r"sent a part of more than \d+ bytes, which is not read", notice)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_more_peers_than_places_are_told_and_a_place_that_is_free_again_is_at_the_start(
    transport: str, model: STCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zeromq, "SILENT_S", 0.05)
    shown = codes(3)
    with served(model, transport, peers=1) as (told, service):
        with PEERS[transport](told) as first:
            right = show(first, shown)
            with PEERS[transport](told) as second:
                if transport == "zmq":
                    assert "1 peers are connected" in second.ask({"frame": 0}, GOOD)["error"]
                else:
                    with pytest.raises(Exception, match=r"1013.*1 peers are connected"):
                        second.receive()
        wait_until(lambda: not service.peers)
        with PEERS[transport](told) as third:
            assert show(third, shown) == right
    assert told.summary["n_turned_away"] == 1


def test_a_peer_over_zmq_with_a_name_of_its_own_comes_back_to_its_state(model: STCNN) -> None:
    shown = codes(6)
    with served(model, "zmq", peers=1) as (told, _):
        with ZmqPeer(told, name=b"rig") as rig:
            found = show(rig, shown[:3])
        with ZmqPeer(told, name=b"rig") as rig_again:
            found += show(rig_again, shown[3:], 3)
    np.testing.assert_allclose(found, offline(model, shown), rtol=1e-5)
    assert told.summary["n_peers"] == 1


def test_all_streams_are_opened_before_anybody_is_listened_to(model: STCNN) -> None:
    opened: list[Stream] = []

    def open_one() -> Stream:
        opened.append(model.stream(rate_hz=RATE_HZ, start="rest", deg_per_px=1.0))
        return opened[-1]

    service = Service(open_one, SHAPE_PX, RATE_HZ, most_peers=3)
    assert len(opened) == 3
    for name in "abcabc":
        with service.visiting(name, Outbox()) as peer:
            answer = peer.hear(Frame(codes(1)[0], 0, 0.0))
            assert answer["calcium"]["lc11"] == pytest.approx(offline(model, codes(1))[0], rel=1e-5)
    assert len(opened) == 3


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_vanished_peers_are_freed(transport: str, model: STCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred in turns of ten places: they leave without a word."""
    vanish(transport, model, monkeypatch, 100)


@pytest.mark.slow
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_thousand_vanished_peers_are_freed(transport: str, model: STCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    vanish(transport, model, monkeypatch, 1000)


def vanish(transport: str, model: STCNN, monkeypatch: pytest.MonkeyPatch, n_peers: int) -> None:
    monkeypatch.setattr(zeromq, "SILENT_S", 0.05)
    shown = codes(3)
    right = offline(model, shown)
    with served(model, transport, peers=10) as (told, service):
        for _ in range(n_peers // 10):
            peers = [PEERS[transport](told) for _ in range(10)]
            for peer in peers:
                assert show(peer, shown[:1]) == pytest.approx(right[:1], rel=1e-5)
            for peer in peers:
                if isinstance(peer, WebSocketPeer):
                    peer.connection.socket.shutdown(2)
                    peer.connection.socket.close()
                else:
                    peer.context.destroy()
            wait_until(lambda: not service.peers)
        with PEERS[transport](told) as last:
            np.testing.assert_allclose(show(last, shown), right, rtol=1e-5)
    assert told.summary["n_peers"] == n_peers + 1


def test_slow_peers_cost_others_nothing(model: STCNN) -> None:
    slow(model, 100)


@pytest.mark.slow
def test_a_thousand_slow_peers_cost_others_nothing(model: STCNN) -> None:
    slow(model, 1000)


def slow(model: STCNN, n_peers: int) -> None:
    """Peers over ZeroMQ that send and never read; one that reads has all its answers."""
    import zmq

    shown = codes(30)
    with served(model, "zmq", peers=n_peers + 1) as (told, service), zmq.Context() as context:
        context.max_sockets = n_peers + 10
        others = []
        for _ in range(n_peers):
            socket = context.socket(zmq.DEALER)
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.RCVHWM, 1)
            socket.connect(told.url("zmq"))
            for n in range(5):
                socket.send_multipart([b'{"frame": %d}' % n, GOOD])
            others.append(socket)
        with ZmqPeer(told) as reader:
            np.testing.assert_allclose(show(reader, shown), offline(model, shown), rtol=1e-5)
        wait_until(lambda: service.latencies.n_frames == 30 + 5 * n_peers, 60)
        for socket in others:
            socket.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_a_slow_peer_does_not_take_is_counted_and_not_kept(transport: str, model: STCNN) -> None:
    options: dict[str, Any] = {"max_queue": 1} if transport == "ws" else {}
    with served(model, transport) as (told, service), PEERS[transport](told, **options) as peer:
        if isinstance(peer, ZmqPeer):
            peer.socket.rcvhwm = 1
        peer.send({"frame": 0, "follow": True}, GOOD)
        wait_until(lambda: any(each.session.is_following for each in service.peers.values()))
        (known,) = service.peers.values()

        def spread_much() -> None:
            for _ in range(500):
                service.spread({"loop": "of the test", "padding": "x" * 10_000})

        for _ in range(100):
            told.loops[0].call_soon_threadsafe(spread_much)
            time.sleep(0.01)
            if known.outlet.n_unheard:
                break
        assert known.outlet.n_unheard > 0
        if transport == "ws":
            assert len(known.outlet._waiting) <= MOST_WAITING  # type: ignore[attr-defined]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_peer_without_the_token_hears_nothing(transport: str, model: STCNN) -> None:
    from websockets.exceptions import InvalidStatus

    with served(model, transport, token=TOKEN) as (told, service):
        for wrong in (None, "x" * 21, TOKEN[:-1]):
            if transport == "ws":
                headers = {} if wrong is None else {"Authorization": f"Bearer {wrong}"}
                with pytest.raises(InvalidStatus, match="401"):
                    WebSocketPeer(told, additional_headers=headers)
            else:
                with ZmqPeer(told, wrong) as peer:
                    peer.send({"frame": 0}, GOOD)
                    assert not peer.socket.poll(300)
        assert not service.peers
        if transport == "ws":
            with WebSocketPeer(told, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as welcome:
                assert show(welcome, codes(1)) == pytest.approx(offline(model, codes(1)), rel=1e-5)
        else:
            with ZmqPeer(told, TOKEN) as welcome_too:
                assert show(welcome_too, codes(1)) == pytest.approx(offline(model, codes(1)), rel=1e-5)
    assert (told.summary["n_peers"], told.summary["n_frames"]) == (1, 1)
    assert told.summary["n_without_token"] >= (3 if transport == "ws" else 2)  # without PLAIN there is no question
    assert TOKEN not in str(told.events)


def test_a_page_shows_the_token_in_its_address_and_pages_of_other_sites_need_one(model: STCNN) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Origin

    origin = Origin("https://lab.example")
    with (
        served(model, "ws", token=TOKEN) as (told, _),
        connect(f"{told.url('ws')}/?token={TOKEN}", origin=origin, proxy=None) as page,
    ):
        page.send('{"hello": true}')
        assert "hello" in page.recv(timeout=20)
    with served(model, "ws") as (told, _):
        with pytest.raises(InvalidStatus, match="403"):
            WebSocketPeer(told, origin="https://elsewhere.example")
        with WebSocketPeer(told, origin="http://localhost:8000") as page_here:
            assert "hello" in page_here.ask({"hello": True})
