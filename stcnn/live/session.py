"""One sender's frames and the model's answers to them.

A message that cannot be answered is counted, answered with a sentence and skipped; the model is then as it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stcnn.errors import DataError, StcnnError
from stcnn.live.latencies import Latencies
from stcnn.live.messages import Arrival, Disconnected, Frame, Header, Message, Packed, frame_of, header_of

if TYPE_CHECKING:
    from stcnn.nn.inference.stream import Stream

LONGEST_GAP_S = 3600.0
"""A number further ahead is a fault of the sender: taken as true, it would make all numbers after it run back."""


class Session:
    """Shows the frames of one sender to a model of its own state.

    Args:
        stream: the model.
        shape: of the frames, ``(Y, X)`` or ``(B, Y, X)``.
        rate_hz: frames per second.
    """

    def __init__(self, stream: Stream, shape: tuple[int, ...], rate_hz: float) -> None:
        self.latencies = Latencies(rate_hz)
        self.stream = stream
        self.shape = shape
        self.rate_hz = rate_hz
        self.n_messages = 0
        self.n_disconnected = 0
        self.is_over = False
        """Whether the sender said that there are no more frames."""
        self.is_following = False
        """Whether the sender asked to hear the answers of a closed loop, too."""
        self._before: Frame | None = None
        self._next = 0
        """Number of a frame that comes without one: refused messages count, so that the model keeps the time."""

    def answer(self, arrival: Arrival) -> dict[str, Any]:
        """Answer what arrived: a frame, a message that may be one, or the end of a connection.

        Returns:
            Voltage and calcium by cell type; or ``error`` and the number of the ``message``; or what it asked for.
        """
        if isinstance(arrival, Disconnected):
            self.n_disconnected += 1
            return {"notice": arrival.sentence, "n_disconnected": self.n_disconnected}
        number = self.n_messages
        self.n_messages += 1
        try:
            if isinstance(arrival, Frame):
                return self._shown(arrival)
            if isinstance(arrival, Packed):
                arrival = arrival.message(number)
            return self._heard(header_of(arrival.header, number), arrival, number)
        except StcnnError as error:
            return self.refused(error, number)

    def refused(self, error: StcnnError | str, number: int | None = None) -> dict[str, Any]:
        """Count a message that cannot be answered; return the answer that says why."""
        self.latencies.n_refused += 1
        self._next += 1
        if number is None:
            number = self.n_messages
            self.n_messages += 1
        return {"error": str(error), "message": number, "n_refused": self.latencies.n_refused}

    @property
    def is_at_start(self) -> bool:
        """Whether no frame was shown since the start."""
        return self._before is None

    def restart(self) -> None:
        """Go back to the start; the next frame may have any number."""
        self.stream.reset()
        self._before = None
        self._next = 0

    def facts(self) -> dict[str, Any]:
        """Return what frames are expected and which cell types answer."""
        deg_per_px = self.stream.config.deg_per_px
        return {
            "shape": list(self.shape),
            "rate_hz": self.rate_hz,
            "deg_per_px": deg_per_px,
            "background": self.stream.config.background,
            "start": self.stream.config.start,
            "cell_types": list(self.stream.cell_types),
        }

    def summary(self) -> dict[str, Any]:
        """Return counts and latencies so far."""
        return self.latencies.summary()

    def _heard(self, header: Header, message: Message, number: int) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        if header.hello:
            asked["hello"] = self.facts()
        if header.follow:
            self.is_following = True
            asked["follow"] = True
        if header.end:
            self.is_over = True
            return {**asked, "summary": self.summary()}
        is_alone = not message.parts and (asked or header.reset)
        frame = None if is_alone else frame_of(header, message, number, self.shape)
        if frame is not None and header.frame is None:
            frame = frame._replace(number=0 if header.reset else self._next)
        if header.reset:
            self.restart()
            asked["reset"] = True
        return asked if frame is None else self._shown(frame) | asked

    def _shown(self, frame: Frame) -> dict[str, Any]:
        self._fill(frame)
        samples = self.stream.step(frame.luminance)
        self._before = frame
        self._next = frame.number + 1
        answer: dict[str, Any] = {"frame": frame.number, "time_s": frame.time_s}
        answer["voltage"] = {name: sample.voltage.tolist() for name, sample in samples.items()}
        answer["calcium"] = {name: sample.calcium.tolist() for name, sample in samples.items()}
        latency_s = time.perf_counter() - frame.received_s
        self.latencies.add(latency_s)
        counts = {"n_dropped": self.latencies.n_dropped, "n_refused": self.latencies.n_refused}
        return {**answer, "latency_ms": round(latency_s * 1000, 4), **counts}

    def _fill(self, frame: Frame) -> None:
        """Show the frame before in place of those that were lost, for a second at most.

        Raises:
            DataError: the number runs back, or too far ahead.
        """
        if self._before is None:
            return
        lost = frame.number - self._before.number - 1
        if lost < 0:
            raise DataError(
                f"frame {frame.number} came after frame {self._before.number}",
                expected="numbers that grow",
                remedy='count on, or send "reset": true to begin again',
            )
        if lost > LONGEST_GAP_S * self.rate_hz:
            raise DataError(
                f"frame {frame.number} came after frame {self._before.number}",
                expected=f"a number at most {LONGEST_GAP_S:g} s ahead",
                remedy='count frames, or send "reset": true to begin again',
            )
        for _ in range(min(lost, round(self.rate_hz))):
            self.stream.step(self._before.luminance)
        self.latencies.n_dropped += lost
        self._before = self._before._replace(number=frame.number - 1)
