"""Frames per second of the page of a model in headless Chromium, and the time to its first answer: a second of a movie.

Usage: python benchmarks/explorer.py. The network has the published size: 21 x 21 columns, four layers of 10 channels,
ten cell types, at 180 Hz.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from stcnn.config import compose
from stcnn.explorer.page import Explored, write_page
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population

TYPES = ("lc4", "lc11", "lc12", "lc15", "lc17", "lc18", "lc21", "lc25", "lplc1", "lplc2")
MEASURE = """
<script>
const [model] = explorer.models, frame = new Float32Array(83 * 83).map(() => Math.random());
model.edit({});
model.start();
for (let i = 0; i < 180; i++) model.step(frame);
const firstSecond = performance.now();
for (let i = 0; i < 300; i++) model.step(frame);
const said = document.createElement("pre");
said.id = "found";
const msPerFrame = (performance.now() - firstSecond) / 300;
const found = { ms_per_frame: msPerFrame, frames_per_s: 1000 / msPerFrame, first_second_ms: firstSecond };
said.textContent = JSON.stringify(found);
document.body.append(said);
</script>
"""


def measure(explored: Explored) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        page = write_page([explored], Path(folder) / "page.html")
        page.write_text(page.read_text().replace("</body>", f"{MEASURE}</body>"))
        chromium = shutil.which("chromium") or "chromium"
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
        command = [chromium, *options, f"--user-data-dir={folder}/profile", f"file://{page}"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (found,) = re.findall('<pre id="found">(.*?)</pre>', shown)
        measured: dict[str, float] = json.loads(found)
        return measured | {"page_mb": page.stat().st_size / 1e6}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = STCNN(compose(["model=published"]).model, Population(neurons=dict.fromkeys(TYPES, ("a",)))).eval()
    for name, value in measure(Explored("published size", [model], 180.0, (83, 83))).items():
        print(f"{name}: {value:.3g}")
