"""Where live frames come from; the protocols are written down in ``docs/streaming.md``.

A source knows its picture before its first frame, counts the frames that its sender or camera lost, and ends by itself
or at Ctrl-C. Where frames can no longer be told apart it ends with a sentence; whether a message is a frame is judged
elsewhere (:class:`stcnn.live.session.Session`).
"""

from __future__ import annotations

import itertools
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import BinaryIO, Literal

import numpy as np

from stcnn.errors import DataError, FileError
from stcnn.live.messages import Arrival, Disconnected, Frame, most_bytes
from stcnn.live.zeromq import received
from stcnn.movie import BACKGROUND
from stcnn.stimuli.files import file_and_choices
from stcnn.stimuli.formats.video import open_video
from stcnn.stimuli.resample import frame_at, n_frames_at

Framing = Literal["raw", "length"]
DEVICES = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
"""Names that FFmpeg has for cameras, by platform."""


class Source(ABC):
    """Frames of one picture size at one rate."""

    rate_hz: float
    shape_px: tuple[int, int]
    notes: tuple[str, ...] = ()
    """Sentences about what was applied or chosen, for the user."""

    @abstractmethod
    def arrivals(self) -> Iterator[Arrival]:
        """Yield frames, or messages that may be frames, until there are no more."""


class Stdin(Source):
    """Frames back to back on a byte stream.

    Args:
        file: the stream.
        shape: ``(Y, X)`` or ``(B, Y, X)``.
        dtype: uint8 or float32, little-endian, row by row from the top left.
        framing: ``raw`` is nothing but pixels; ``length`` puts the number of bytes, uint32 little-endian, before each
            frame, and a zero behind the last.
        rate_hz: frames per second.
    """

    def __init__(self, file: BinaryIO, shape: tuple[int, ...], dtype: str, framing: Framing, rate_hz: float) -> None:
        self.file = file
        self.shape = shape
        self.framing = framing
        self.rate_hz = rate_hz
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shape_px = (shape[-2], shape[-1])
        self.n_bytes = self.dtype.itemsize * int(np.prod(shape))

    def arrivals(self) -> Iterator[Arrival]:
        """Yield frames until the stream ends.

        Raises:
            DataError: it ends within a frame, or a length is not that of a frame.
        """
        for number in itertools.count():
            if self.framing == "length" and not self._announced(number):
                return
            data = self.file.read(self.n_bytes)
            if not data:
                return
            if len(data) < self.n_bytes:
                raise DataError(
                    f"the input ends {len(data)} bytes into frame {number}",
                    expected=f"{self.n_bytes} bytes per frame of {' x '.join(map(str, self.shape))} {self.dtype.name}",
                    remedy="check --shape-px, --clips and --dtype",
                )
            luminance = np.frombuffer(data, self.dtype).reshape(self.shape)
            yield Frame(luminance, number, time.perf_counter())

    def _announced(self, number: int) -> bool:
        length = int.from_bytes(self.file.read(4), "little")
        if length not in (0, self.n_bytes):
            raise DataError(
                f"frame {number} is announced with {length} bytes",
                expected=f"{self.n_bytes}: {' x '.join(map(str, self.shape))} {self.dtype.name}",
                remedy="check --shape-px, --clips and --dtype, and that the length is little-endian",
            )
        return length > 0


class Video(Source):
    """A video file, as fast as the model takes it; its frames are held at their times, at another rate if one is given.

    Args:
        file: its path, perhaps with what is to be said of it: ``street.mp4:rotation=apply``.
        rate_hz: frames per second; None takes those of the file.

    Raises:
        StcnnError: it cannot be read as it is.
    """

    def __init__(self, file: str, rate_hz: float | None) -> None:
        path, choices = file_and_choices(file)
        if not path.is_file():
            raise FileError(f"there is no video '{file}'", remedy="name the file with --from")
        self._video = open_video(path, choices)
        own_hz = float(self._video.facts["rate_hz"])
        self.rate_hz = rate_hz or own_hz
        self.shape_px = self._video.shape_px
        self.notes = self._video.notes
        time_s = np.arange(n_frames_at(self.rate_hz, self._video.n_frames / own_hz)) / self.rate_hz
        self._shown = self._video.shown()[frame_at(own_hz, self._video.n_frames, time_s)]

    def arrivals(self) -> Iterator[Arrival]:
        """Yield every frame."""
        levels = self._video.levels
        for picture, codes in enumerate(self._video.pictures(BACKGROUND)):
            luminance = codes if levels is None else levels[codes]
            for number in range(*np.searchsorted(self._shown, [picture, picture + 1])):
                yield Frame(luminance, number, time.perf_counter(), number / self.rate_hz)


class Camera(Source):
    """A camera, through FFmpeg; frames it lost show as gaps between time stamps.

    Args:
        device: ``/dev/video0`` and the like.
        rate_hz: frames per second to ask for; None leaves it to the camera.
        device_kind: what FFmpeg calls such devices; None is that of this platform.

    Raises:
        FileError: the camera cannot be opened.
    """

    def __init__(self, device: str, rate_hz: float | None, device_kind: str | None = None) -> None:
        import av

        options = {"framerate": str(rate_hz)} if rate_hz and device_kind is None else {}
        try:
            self._container = av.open(device, format=device_kind or DEVICES.get(sys.platform, "v4l2"), options=options)
            stream = self._container.streams.video[0]
        except (av.FFmpegError, IndexError, ValueError) as error:
            raise FileError(
                f"the camera {device} cannot be opened ({error})",
                remedy="name the device with --from, and a rate that it knows with --rate-hz",
            ) from None
        self.rate_hz = float(stream.average_rate or stream.base_rate or rate_hz or 0)
        self.shape_px = (stream.codec_context.height, stream.codec_context.width)

    def arrivals(self) -> Iterator[Arrival]:
        """Yield frames until the camera is closed."""
        start_s = None
        with self._container as container:
            for picture in container.decode(video=0):
                received_s = time.perf_counter()
                time_s = float(picture.time or 0)
                start_s = time_s if start_s is None else start_s
                number = round((time_s - start_s) * self.rate_hz)
                yield Frame(picture.to_ndarray(format="gray"), number, received_s, time_s)


class Zmq(Source):
    """Messages of two parts, a header in JSON and the pixels, pushed by rig software.

    Args:
        address: where to listen, such as ``tcp://127.0.0.1:5555``; the sender connects with a PUSH socket.
        shape: ``(Y, X)`` or ``(B, Y, X)``.
        rate_hz: frames per second.
        timeout_s: end when no frame came for so long; None waits forever.

    Raises:
        FileError: the address cannot be used.
    """

    def __init__(self, address: str, shape: tuple[int, ...], rate_hz: float, timeout_s: float | None) -> None:
        from stcnn.commands.stream.answers import bound_socket

        self.rate_hz = rate_hz
        self.shape_px = (shape[-2], shape[-1])
        self._most_bytes = most_bytes(shape)
        self._socket = bound_socket("PULL", address, self._most_bytes)
        self._monitor = self._socket.get_monitor_socket()
        self._timeout_ms = None if timeout_s is None else round(timeout_s * 1000)

    def arrivals(self) -> Iterator[Arrival]:
        """Yield messages until the sender falls silent; who reads them judges them."""
        import zmq

        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        silent_since_s = time.monotonic()
        try:
            while found := dict(poller.poll(self._left_ms(silent_since_s))):
                if self._socket in found:
                    yield received(self._socket)
                    silent_since_s = time.monotonic()
                elif self._is_disconnection():
                    yield Disconnected(
                        f"the connection of a sender ended: it left, or sent a part of more than {self._most_bytes} "
                        "bytes, which is not read."
                    )
        finally:
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=0)

    def _left_ms(self, since_s: float) -> int | None:
        if self._timeout_ms is None:
            return None
        return max(0, self._timeout_ms - round((time.monotonic() - since_s) * 1000))

    def _is_disconnection(self) -> bool:
        from zmq.constants import Event
        from zmq.utils.monitor import recv_monitor_message

        return bool(recv_monitor_message(self._monitor)["event"] == Event.DISCONNECTED)
