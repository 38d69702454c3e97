"""How long answers took, and what was lost or refused."""

from __future__ import annotations

from typing import Any

import numpy as np

REMEMBERED = 1 << 16
"""Latencies that the percentiles are taken of: the last six minutes at 180 Hz."""


class Latencies:
    """How long frames waited for their answers, in constant memory.

    Args:
        rate_hz: frames per second; an answer that takes longer than one frame is late.
    """

    def __init__(self, rate_hz: float) -> None:
        self.frame_s = 1 / rate_hz
        self.n_frames = 0
        self.n_late = 0
        self.n_dropped = 0
        self.n_refused = 0
        self.largest_s = 0.0
        self._recent_s = np.empty(REMEMBERED, np.float32)  # a page of it takes memory when it is first written to

    def add(self, latency_s: float) -> None:
        """Count one frame."""
        self.n_late += latency_s > self.frame_s
        self.largest_s = max(self.largest_s, latency_s)
        self._recent_s[self.n_frames % REMEMBERED] = latency_s
        self.n_frames += 1

    def summary(self) -> dict[str, Any]:
        """Return counts and the median, 99th percentile and maximum latency in milliseconds; null before any frame."""
        latency_ms = None
        if self.n_frames:
            median_s, p99_s = np.percentile(self._recent_s[: self.n_frames].astype(float), [50, 99])
            found_s = {"median": median_s, "p99": p99_s, "max": self.largest_s}
            latency_ms = {name: round(float(value) * 1000, 4) for name, value in found_s.items()}
        counts = {
            "n_frames": self.n_frames,
            "n_dropped": self.n_dropped,
            "n_refused": self.n_refused,
            "n_late": self.n_late,
        }
        return {**counts, "latency_ms": latency_ms}

    def sentence(self) -> str:
        """Return the summary for people."""
        took = self.summary()["latency_ms"]
        counts = f"{self.n_frames} frames answered, {self.n_dropped} lost on the way, {self.n_refused} messages refused"
        if took is None:
            return counts
        return (
            f"{counts}, {self.n_late} answered later than a frame lasts ({self.frame_s * 1000:.2f} ms); latency: "
            f"median {took['median']} ms, 99th percentile {took['p99']} ms, maximum {took['max']} ms"
        )
