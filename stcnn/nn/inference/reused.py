"""Streams that are kept from one question to the next: weights are folded once per state of the model, not per call."""

from __future__ import annotations

from collections import OrderedDict

from stcnn.nn.inference.grey import GreyStates
from stcnn.nn.inference.stream import Stream
from stcnn.nn.inference.stream_config import StreamConfig
from stcnn.nn.inference.weights_watch import WeightsWatch
from stcnn.nn.parts import Parts

KEPT = 4
"""Streams of different rates and starts that are kept at a time."""


class ReusedStreams:
    """Streams of a model by their options, kept until one of its weights changes."""

    def __init__(self) -> None:
        self._watch = WeightsWatch()
        self._streams: OrderedDict[tuple[str, str], Stream] = OrderedDict()

    def __reduce__(self) -> tuple[type[ReusedStreams], tuple[()]]:
        """Copies of a model, on disk or in memory, start with nothing kept."""
        return ReusedStreams, ()

    def at_start(self, model: Parts, config: StreamConfig, grey_states: GreyStates) -> Stream:
        """Return a stream before its first frame; the next call takes it back.

        Args:
            model: the network.
            config: options of the stream.
            grey_states: what the model does after grey frames.
        """
        if self._watch.has_changed(model):
            self._streams.clear()
        key = (config.model_dump_json(), model.hidden.compute)
        stream = self._streams.pop(key, None)
        if stream is None:
            stream = Stream(model, config, grey_states)
        else:
            stream.reset()
        self._streams[key] = stream
        while len(self._streams) > KEPT:
            self._streams.popitem(last=False)
        return stream
