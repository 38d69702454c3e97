"""Latency end to end, losses and memory of a served network of published size, at 200 frames per second on loopback.

The model is served by a process of its own; this one sends frames of 83 x 83 pixels at their times and takes the time
until each answer is here. ``memory_growth_mb`` is that of the serving process from a tenth of the
time to the end. ``n_extra`` peers send as well, at a tenth of the rate; ``first_answer_ms`` is that of the first frame.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from stcnn.live.gate import Address
from stcnn.live.replaying import Replay, connected, facts_of
from stcnn.live.serving import run
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run

RATE_HZ = 200.0


def saved_run(folder: Path, model: STCNN) -> Path:
    """Write a model as a finished run."""
    made = Run.create(folder, "served", {})
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": weights}, made.path / "checkpoints" / "epoch_1.ckpt")
    made.finish(model, 1)
    return made.path


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def frames(n_frames: int) -> Iterator[tuple[str, bytes]]:
    """Yield noise of 50 pictures, again and again."""
    pictures = np.random.default_rng(0).integers(0, 256, (50, 83, 83), dtype=np.uint8)
    data = [picture.tobytes() for picture in pictures]
    for number in range(n_frames):
        yield "uint8", data[number % len(data)]


async def measured(address: Address, pid: int, duration_s: float, n_extra: int) -> dict[str, Any]:
    """Send frames for ``duration_s``; return what came of it."""
    async with connected(address, None) as wire:
        await facts_of(wire, address)
        sent = Replay(wire, RATE_HZ)
        others = [asyncio.create_task(_disturb(address, duration_s)) for _ in range(n_extra)]
        start_s = cpu_s(pid)
        sending = asyncio.create_task(sent.run(frames(round(duration_s * RATE_HZ))))
        await asyncio.sleep(duration_s / 10)
        early_mb = resident_mb(pid)
        await sending
        growth_mb = resident_mb(pid) - early_mb
        used_s = cpu_s(pid) - start_s
        await asyncio.gather(*others)
    latency_ms = sent.latencies_ms()
    percents = {"median_ms": 50, "p99_ms": 99, "p999_ms": 99.9, "max_ms": 100}
    model_ms = [each.answer["latency_ms"] for each in sent.answered.values()]
    return {
        "path": address.scheme,
        "duration_s": duration_s,
        "n_sent": sent.n_sent,
        "n_lost": sent.n_sent - len(sent.answered),
        "n_extra": n_extra,
        "first_answer_ms": sent.answered[0].latency_s * 1000,
        **{name: float(np.percentile(latency_ms, percent)) for name, percent in percents.items()},
        "model_p99_ms": float(np.percentile(model_ms, 99)),
        "cpu_us_per_frame": used_s / sent.n_sent * 1e6,
        "memory_growth_mb": growth_mb,
    }


async def _disturb(address: Address, duration_s: float) -> None:
    async with connected(address, None) as wire:
        await Replay(wire, RATE_HZ / 10).run(frames(round(duration_s * RATE_HZ / 10)))


def main() -> None:
    """Measure and write the table."""
    options = record.arguments(
        __doc__,
        duration_s=(600.0, "seconds to send for"),
        n_extra=(0, "peers that send beside it"),
        schemes=(["ws", "zmq"], "ways"),
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = saved_run(Path(folder), record.published_size_model())
        listen = [f"--listen={scheme}://127.0.0.1:0" for scheme in options.schemes]
        command = [sys.executable, "-m", "stcnn.cli", "serve", str(path), f"--rate-hz={RATE_HZ}", *listen]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
            assert service.stdout is not None
            told = json.loads(service.stdout.readline())["listening"]
            for text in told:
                scheme, _, rest = text.partition("://")
                host, _, port = rest.rpartition(":")
                address = Address(scheme, host, int(port))
                rows.append(run(measured(address, service.pid, options.duration_s, options.n_extra)))
            service.terminate()
            service.communicate()
    record.write("serve", rows, rate_hz=RATE_HZ, shape_px=[83, 83])


if __name__ == "__main__":
    main()
