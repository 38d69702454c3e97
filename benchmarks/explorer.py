"""Frames per second of the page of a model in headless Chromium, the time to its first answer, and its size.

The network has the published size: 21 x 21 columns, four layers of 10 channels, ten cell types, at 180 Hz. With the
package of onnxruntime-web the same network is also asked in its WebAssembly (SIMD, one thread), in the same page, the
two in turn, so that others on the machine matter less:

    npm pack onnxruntime-web@1.30.0
    python benchmarks/explorer.py --onnxruntime-web onnxruntime-web-1.30.0.tgz
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import record
import torch

from stcnn.config import compose
from stcnn.explorer.page import Explored, page
from stcnn.export.onnx_files import write_file
from stcnn.export.source_networks import SourceNetworks
from stcnn.export.step_network import StepNetwork
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from tests.support.chromium import Chromium, Tab

TYPES = ("lc4", "lc11", "lc12", "lc15", "lc17", "lc18", "lc21", "lc25", "lplc1", "lplc2")
RATE_HZ = 180.0
MOVIE_PX = (83, 83)
LOADER = "package/dist/ort.wasm.bundle.min.mjs"
WASM = "package/dist/ort-wasm-simd-threaded.wasm"
READY = "while (!window.firstAnswerMs) await new Promise((done) => setTimeout(done, 20));"
RUNS_WASM = """<script type="application/octet-stream;base64" id="wasm">{wasm}</script>
<script type="application/octet-stream;base64" id="step">{step}</script>
<script type="module">{loader}
const bytes = (id) => Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = bytes("wasm").buffer;
const started = performance.now();
const session = await ort.InferenceSession.create(bytes("step"), {{ executionProviders: ["wasm"] }});
window.onnxruntime = {{ ort, session, createdMs: performance.now() - started }};
</script>
</body>"""
PREPARED = """
const [model] = explorer.models, start = new Float32Array(%(start)s);
let seed = 1;
const random = () => (seed = (seed * 16807) %% 2147483647) / 2147483647;
const frames = Array.from({ length: 60 }, () => new Float32Array(83 * 83).map(random));
model.edit({});
model.start();
const ours = async () => { for (const frame of frames) model.step(frame); };
let state = null, said = null;
const theirs = async () => {
  const { ort, session } = onnxruntime;
  state ??= new ort.Tensor("float32", start, [start.length]);
  for (const frame of frames) {
    said = await session.run({ luminance: new ort.Tensor("float32", frame, [83, 83]), state });
    state = said.state_after;
  }
};
const timed = async (each) => {
  const before = performance.now();
  await each();
  return (performance.now() - before) / frames.length;
};
"""
MEASURED = """
const found = { ours: [], theirs: [] };
let away = 0;
for (let i = 0; i < %(blocks)d; i++) {
  found.ours.push(await timed(ours));
  if (!window.onnxruntime) continue;
  found.theirs.push(await timed(theirs));
  const largest = Math.max(...model.voltage.map(Math.abs));
  away = Math.max(away, ...model.voltage.map((value, n) => Math.abs(value - said.voltage.data[n]) / largest));
}
return { ...found, away, created_ms: window.onnxruntime?.createdMs ?? null };
"""


def main() -> None:
    """Measure, print and write."""
    options = record.arguments(
        __doc__,
        onnxruntime_web=("", "package of npm; without it our page alone is measured"),
        blocks=(12, "blocks of 60 frames of each; the quickest counts, after the first"),
    )
    torch.manual_seed(0)
    model = STCNN(compose(["model=published"]).model, Population(neurons=dict.fromkeys(TYPES, ("a",)))).eval()
    text = page([Explored("published size", [model], RATE_HZ, MOVIE_PX)])
    step = StepNetwork(model, RATE_HZ, MOVIE_PX)
    with tempfile.TemporaryDirectory() as folder:
        browser = Chromium(Path(folder))
        first = first_answer(browser, written(text, Path(folder) / "ours.html"))
        wasm = size = None
        if options.onnxruntime_web:
            wasm, size = with_wasm(text, step, model, Path(options.onnxruntime_web), Path(folder))
        found = in_turn(browser, written(wasm or text, Path(folder) / "both.html"), step, options.blocks)
        browser.close()
    rows: list[dict[str, Any]] = [
        {"what": "page", "ms_per_frame": best(found["ours"]), "mb": len(text.encode()) / 1e6, **first}
    ]
    if wasm:
        rows.append({"what": "onnxruntime-web", "ms_per_frame": best(found["theirs"]), "mb": size})
        rows[1]["first_answer_ms"] = None
    for row in rows:
        row["frames_per_s"] = 1000 / row["ms_per_frame"]
        row["relative"] = row["ms_per_frame"] / rows[0]["ms_per_frame"]
    notes = {"largest_difference": found["away"], "session_made_ms": found["created_ms"]}
    record.write("explorer", rows, package=Path(options.onnxruntime_web).name, **notes)
    print(notes)


def best(ms: list[float]) -> float:
    """Return the quickest block; in the first the browser still compiles."""
    return min(ms[1:])


def written(text: str, path: Path) -> str:
    """Write a page and return its address."""
    path.write_text(text)
    return f"file://{path}"


def first_answer(browser: Chromium, address: str) -> dict[str, float]:
    """Return when the first answer stood, from navigation on, and what the page had computed by then."""
    tab = Tab(browser, address)
    first_ms = tab.run(f"{READY} return firstAnswerMs;")
    metrics = {each["name"]: each["value"] for each in tab.send("Performance.getMetrics")["metrics"]}
    tab.close()
    return {"first_answer_ms": first_ms, "first_answer_cpu_ms": 1000 * metrics["TaskDuration"]}


def in_turn(browser: Chromium, address: str, step: StepNetwork, blocks: int) -> dict[str, Any]:
    """Return the time of a frame in each block, ms, and how far the answers are from each other."""
    tab = Tab(browser, address)
    tab.run(f"{READY} await new Promise((done) => setTimeout(done, 8000));")  # the tuning curve is done
    if tab.run("return document.getElementById('wasm') !== null;"):
        tab.run("while (!window.onnxruntime) await new Promise((done) => setTimeout(done, 20));")
    prepared = PREPARED % {"start": json.dumps(step.start.flatten().tolist())}
    found: dict[str, Any] = tab.run(prepared + MEASURED % {"blocks": blocks})
    assert found["away"] < 1e-4, found
    tab.close()
    return found


def with_wasm(text: str, step: StepNetwork, model: STCNN, package: Path, folder: Path) -> tuple[str, float]:
    """Return our page with onnxruntime-web inside, and what that, compressed and in base64, would add to a page, MB."""
    import onnx

    write_file(SourceNetworks([model], [step], [0], "benchmark"), "step", folder / "step.onnx")
    proto = onnx.load(folder / "step.onnx")
    (start,) = [each for each in proto.graph.initializer if each.name == "state"]
    proto.graph.initializer.remove(start)  # onnxruntime-web takes no input that has a default
    with tarfile.open(package) as archive:
        loader, wasm = (archive.extractfile(name).read() for name in (LOADER, WASM))  # type: ignore[union-attr]
    graph = proto.SerializeToString()
    parts = (loader, gzip.compress(wasm), graph)
    size = (len(parts[0]) + sum(len(part) for part in parts[1:]) * 4 / 3) / 1e6
    exports = re.sub(r"export\{(.*?)\};", _as_object, loader.decode())
    inside = RUNS_WASM.format(
        loader=exports, wasm=base64.b64encode(wasm).decode(), step=base64.b64encode(graph).decode()
    )
    unguarded = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    return unguarded.replace("</body>", inside), size


def _as_object(exports: re.Match[str]) -> str:
    """Turn the exports of a module into an object for the script that goes on behind it."""
    pairs = [each.split(" as ") for each in exports[1].split(",")]
    return f"const ort={{{','.join(f'{name}:{inner}' for inner, name in pairs if name != 'default')}}};"


if __name__ == "__main__":
    main()
