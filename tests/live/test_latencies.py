"""Latencies: counts and percentiles."""

from __future__ import annotations

from stcnn.live.latencies import Latencies


def test_latencies_count_late_answers_and_give_percentiles() -> None:
    latencies = Latencies(rate_hz=100)
    for latency_ms in range(1, 101):
        latencies.add(latency_ms / 1000)
    summary = latencies.summary()
    assert summary["n_late"] == 90
    assert summary["latency_ms"] == {"median": 50.5, "p99": 99.01, "max": 100.0}
    assert "median 50.5 ms" in latencies.sentence()


def test_no_frame_at_all_has_no_latency() -> None:
    assert Latencies(180).summary()["latency_ms"] is None
    assert Latencies(180).sentence() == "0 frames answered, 0 lost on the way, 0 messages refused"
