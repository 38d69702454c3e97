"""Memory does not grow with the number of frames."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from stcnn.live.messages import Packed, packed
from stcnn.live.session import Session
from tests.support.served import RATE_HZ, SHAPE_PX, codes, small_model
torch.set_num_threads(1)
session = Session(small_model().stream(rate_hz=RATE_HZ), SHAPE_PX, RATE_HZ)
data = codes(1)[0].tobytes()
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
found = []
for number in range(120_000):
    json.dumps(session.answer(Packed(packed({"frame": number}, data), 0.0)))
    if number % 10 == 0:
        session.answer(Packed(b"nonsense", 0.0))
    if number in (19_999, 119_999):
        found.append(resident())
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_flat_over_100000_frames_and_10000_refusals() -> None:
    import json

    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, text=True)
    before, after = json.loads(done.stdout)
    assert after - before < 1 << 20  # 65,536 latencies that are remembered are a quarter of it
