"""A served model: peers, each with a state of its own, and what all of them together did.

Everything that is loaded, compiled or folded is so before the first peer: streams are opened in advance, shown black
frames until nothing is left to be done only once, and taken from a pool from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from stcnn.errors import ConfigError
from stcnn.live.latencies import Latencies
from stcnn.live.messages import Arrival
from stcnn.live.outbox import Outlet
from stcnn.live.session import Session

if TYPE_CHECKING:
    from stcnn.nn.inference.stream import Stream

N_WARM_UP = 10
"""Black frames before the start."""


def warm_up(stream: Stream, shape: tuple[int, ...]) -> None:
    """Show black frames until nothing is left to be done only once, and go back to the start."""
    for _ in range(N_WARM_UP):
        stream.step(np.zeros(shape, np.uint8))
    stream.reset()


class Peer:
    """One sender: its session with the model, and the way back to it."""

    def __init__(self, name: str, session: Session, outlet: Outlet, service: Service) -> None:
        self.name = name
        self.session = session
        self.outlet = outlet
        self._service = service

    def hear(self, arrival: Arrival) -> dict[str, Any]:
        """Answer what the peer sent, and return the answer."""
        answer = self.session.answer(arrival)
        if "latency_ms" in answer:
            self._service.latencies.add(answer["latency_ms"] / 1000)
        self.outlet.put(answer)
        return answer

    def refuse(self, sentence: str) -> None:
        """Answer something that is no message at all."""
        self.outlet.put(self.session.refused(sentence))


class Service:
    """Peers of one model.

    Args:
        opened: opens a stream of the model.
        shape: of a frame, ``(Y, X)``.
        rate_hz: frames per second.
        most_peers: at once; for each a stream is opened now.
        tell: takes what happens, as a mapping.
    """

    def __init__(
        self,
        opened: Callable[[], Stream],
        shape: tuple[int, ...],
        rate_hz: float,
        most_peers: int = 16,
        tell: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> None:
        self.shape = shape
        self.rate_hz = rate_hz
        self.most_peers = most_peers
        self.tell = tell
        self.counts: Counter[str] = Counter()
        self.latencies = Latencies(rate_hz)
        self.peers: dict[str, Peer] = {}
        self._spare = [opened() for _ in range(most_peers)]
        for stream in self._spare:
            warm_up(stream, shape)

    def join(self, name: str, outlet: Outlet) -> Peer:
        """Begin with a peer, at the start of the stimulus.

        Raises:
            ConfigError: there are too many already.
        """
        if not self._spare:
            self.counts["n_turned_away"] += 1
            self.tell({"turned_away": name})
            raise ConfigError(
                f"{self.most_peers} peers are connected", expected="fewer", remedy="wait, or serve with more --peers"
            )
        peer = Peer(name, Session(self._spare.pop(), self.shape, self.rate_hz), outlet, self)
        self.peers[name] = peer
        self.counts["n_peers"] += 1
        self.tell({"joined": name})
        return peer

    def leave(self, peer: Peer, why: str = "it left") -> None:
        """Free what a peer had; once is enough."""
        if self.peers.get(peer.name) is not peer:
            return
        del self.peers[peer.name]
        self._count(peer)
        peer.session.restart()
        self._spare.append(peer.session.stream)
        self.tell({"left": peer.name, "why": why, **peer.session.summary(), "n_unheard": peer.outlet.n_unheard})

    @contextmanager
    def visiting(self, name: str, outlet: Outlet) -> Iterator[Peer]:
        """Have a peer until the block ends."""
        peer = self.join(name, outlet)
        try:
            yield peer
        finally:
            self.leave(peer)

    def keep_out(self, name: str) -> None:
        """Count a peer that did not show the token."""
        self.counts["n_without_token"] += 1
        self.tell({"without_token": name})

    def disconnected(self, sentence: str) -> None:
        """Count a connection that ended, of nobody knows whom."""
        self.counts["n_disconnected"] += 1
        self.tell({"notice": sentence})

    def spread(self, answer: dict[str, Any]) -> None:
        """Hand the answer of a closed loop to every peer that asked for it."""
        for peer in self.peers.values():
            if peer.session.is_following:
                peer.outlet.put(answer)

    def summary(self) -> dict[str, Any]:
        """Return what was counted over all peers, those that left included, and the latencies."""
        for peer in list(self.peers.values()):
            self.leave(peer, "the end")
        names = ("n_peers", "n_turned_away", "n_without_token", "n_disconnected", "n_unheard")
        self.latencies.n_dropped = self.counts["n_dropped"]
        self.latencies.n_refused = self.counts["n_refused"]
        return {**{name: self.counts[name] for name in names}, **self.latencies.summary()}

    def _count(self, peer: Peer) -> None:
        self.counts["n_dropped"] += peer.session.latencies.n_dropped
        self.counts["n_refused"] += peer.session.latencies.n_refused
        self.counts["n_unheard"] += peer.outlet.n_unheard
