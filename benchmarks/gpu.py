"""Training step and inference of the published network on a GPU, beside the direct model and the roofline.

Needs torch with CUDA, Triton, and of our requirements pydantic, platformdirs, PyYAML; says in a sentence
which one is missing. Times are medians by CUDA events, per clip of 11 s; direct model and fused PyTorch form are
measured in the same run, the roofline (``roofline.py``) is computed from rates of memory and arithmetic measured first.
Errors are those of a short clip against the fused form in float64 on the same GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

try:
    import roofline
    import torch
    import yaml
    from direct_form import direct_calls
    from torch import Tensor

    from stcnn.nn.kernels.triton.launch import interpreted, why_unavailable
    from stcnn.nn.model import STCNN
    from stcnn.nn.model_config import ModelConfig
    from stcnn.nn.population import Population
    from stcnn.writing import atomic_write
except ModuleNotFoundError as error:
    print(f"benchmarks/gpu.py measured nothing: '{error.name}' is not installed here (pip install {error.name})")
    sys.exit(0)

RATE_HZ, N_FRAMES = 180.0, 1980
CELL_TYPES = {"lc11": 10, "lc18": 19, "lc17": 20, "lc12": 10, "lc21": 7}
PRECISIONS = {"float32": 4, "bfloat16": 2}

Row = dict[str, Any]


def published_model() -> STCNN:
    """Return the published network, freshly initialised."""
    described = yaml.safe_load((ROOT / "stcnn/conf/model/published.yaml").read_text())["model"]
    torch.manual_seed(0)
    population = Population(neurons={name: tuple(map(str, range(n))) for name, n in CELL_TYPES.items()})
    return STCNN(ModelConfig.model_validate(described), population).cuda()


def movie(n_clips: int, n_frames: int = N_FRAMES) -> Tensor:
    """Return contrast ``(B, T, Y, X)``: noise that changes every tenth of a second."""
    held = torch.rand(n_clips, -(-n_frames // 18), 83, 83, device="cuda") - 0.5
    return held.repeat_interleave(18, 1)[:, :n_frames].contiguous()


def median_ms(call: Callable[[], Any], repeats: int) -> float:
    """Return the median time of ``repeats`` calls by CUDA events, after two that are not counted."""
    for _ in range(2):
        call()
    times = []
    for _ in range(repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        stop.synchronize()
        times.append(start.elapsed_time(stop))
    return sorted(times)[len(times) // 2]


def measured_roofs() -> roofline.Roofs:
    """Return the rates of a large copy (bytes read and written) and of large matrix products of random numbers."""
    source = torch.rand(2**30, device="cuda")
    target = torch.empty_like(source)
    copy_ms = median_ms(lambda: target.copy_(source), 10)
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        a, b = torch.randn(2, 8192, 8192, device="cuda").to(dtype)
        rates.append(2 * 8192**3 / median_ms(lambda a=a, b=b: a @ b, 10) * 1e3)
    return roofline.Roofs(8 * 2**30 / copy_ms * 1e3, *rates)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Compute convolutions in ``name``."""
    with torch.autocast("cuda", torch.bfloat16, enabled=name == "bfloat16"):
        yield


def calls(model: STCNN, contrast: Tensor, compute: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a training step and an inference of our model."""

    def step() -> None:
        model.train()
        model.hidden.compute = compute  # type: ignore[assignment]
        model.zero_grad()
        model.voltage_of(contrast, RATE_HZ).square().mean().backward()

    @torch.no_grad()
    def infer() -> None:
        model.eval()
        model.hidden.compute = "auto"
        model.voltage_of(contrast, RATE_HZ)

    return step, infer


def direct_rows(model: STCNN, repeats: int) -> list[Row]:
    """Measure the direct model on one clip."""
    step, infer = direct_calls(model, movie(1))
    times = {"train_ms": median_ms(step, repeats), "infer_ms": median_ms(infer, repeats)}
    return [{"path": "direct", "clips": 1, "precision": "float32", **times}]


def errors(model: STCNN, name: str) -> Row:
    """Largest error of the voltage and of a parameter's gradient (relative L2) against float64, on 300 frames."""

    def outcome(model: STCNN, contrast: Tensor, compute: str) -> tuple[Tensor, dict[str, Tensor]]:
        model.train()
        model.hidden.compute = compute  # type: ignore[assignment]
        voltage = model.voltage_of(contrast, RATE_HZ)
        trained = {n: p for n, p in model.named_parameters() if p.requires_grad and "calcium" not in n}
        found = torch.autograd.grad(voltage.square().mean(), list(trained.values()))
        return voltage.detach().double(), {n: g.double() for n, g in zip(trained, found, strict=True)}

    contrast = movie(2, 300)
    with precision(name):
        voltage, gradients = outcome(model, contrast, "triton")
    right, exact = outcome(published_model().double(), contrast.double(), "torch")
    largest = max(float(g.norm()) for g in exact.values())
    worst = max(
        float((gradients[n] - g).norm() / g.norm()) for n, g in exact.items() if float(g.norm()) > 1e-6 * largest
    )
    return {"output_error": float((voltage - right).abs().max() / right.abs().max()), "gradient_error": worst}


def our_rows(model: STCNN, roofs: roofline.Roofs, yardstick: Row, n_clips: int, repeats: int) -> Iterator[Row]:
    """Measure our paths on ``n_clips`` clips."""
    network, contrast = roofline.Network(taps=900), movie(n_clips)
    for name, size in PRECISIONS.items():
        floor = {
            "train": roofline.total(network.training(n_clips, size), roofs, size)["roofline_ms"],
            "infer": roofline.total(network.inference(n_clips, size), roofs, size)["roofline_ms"],
        }
        for path in ("triton", "torch"):
            row: Row = {"path": path, "clips": n_clips, "precision": name}
            torch.cuda.reset_peak_memory_stats()
            with precision(name):
                for kind, call in zip(floor, calls(model, contrast, path), strict=True):
                    took = median_ms(call, repeats) / n_clips
                    row[f"{kind}_ms"] = took
                    row[f"{kind}_ratio"] = yardstick[f"{kind}_ms"] / took
                    row[f"{kind}_over_roofline"] = took * n_clips / floor[kind]
            row["peak_GB"] = torch.cuda.max_memory_allocated() / 1e9
            if path == "triton":
                row |= errors(published_model(), name)
            print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else str(v) for k, v in row.items()), flush=True)
            yield row


def stages(roofs: roofline.Roofs, n_clips: int) -> list[Row]:
    """Measure a hidden convolution forward in the forms there are: whether the DFT would pay is decided here."""
    from stcnn.nn.ops.correlate import correlate

    rows: list[Row] = []
    pictures = torch.randn(n_clips * N_FRAMES, 10, 21, 21, device="cuda")
    weight = torch.randn(10, 10, 7, 7, device="cuda")
    operations = 2 * pictures.numel() * 10 * 49
    for layout in (torch.channels_last, torch.contiguous_format):
        for dtype, rate in ((torch.float32, roofs.float32_s), (torch.bfloat16, roofs.bfloat16_s)):
            x, w = (t.to(dtype).contiguous(memory_format=layout) for t in (pictures, weight))
            took = median_ms(lambda x=x, w=w: torch.conv2d(x, w, padding=3), 10)
            rows.append(
                {"stage": f"convolution, {layout}, {dtype}", "ms": took, "share": operations / rate * 1e3 / took}
            )
    wide = torch.zeros(10, 10, 11, 11, device="cuda")  # as wide as goes through the Fourier transform
    wide[..., 2:-2, 2:-2] = weight
    rows.append({"stage": "convolution, torch.fft, float32", "ms": median_ms(lambda: correlate(pictures, wide), 10)})
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16, 64], help="clips per step")
    parser.add_argument("--repeats", type=int, default=10, help="timed calls, of which the median counts")
    parser.add_argument("--to", type=Path, default=ROOT / "benchmarks/results/gpu.json", help="where the table goes")
    options = parser.parse_args()
    reason = why_unavailable() or ("Triton runs in its interpreter (TRITON_INTERPRET)" if interpreted() else None)
    if reason:
        print(f"benchmarks/gpu.py measured nothing: {reason}; benchmarks/roofline.py prints what is computed")
        return
    import triton

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    roofs, model = measured_roofs(), published_model()
    print(torch.cuda.get_device_name(), torch.__version__, triton.__version__, roofs, flush=True)
    rows = direct_rows(model, 3)
    print(rows[0], flush=True)
    for n_clips in options.batch:
        rows += our_rows(model, roofs, rows[0], n_clips, options.repeats)
    table = {
        "benchmark": "gpu", "device": torch.cuda.get_device_name(), "torch": torch.__version__,
        "triton": triton.__version__, "roofs": roofs._asdict(), "rows": rows, "stages": stages(roofs, 4),
    }  # fmt: skip
    with atomic_write(options.to) as draft:
        draft.write_text(json.dumps(table, indent=1) + "\n")
    print(f"written to {options.to}")


if __name__ == "__main__":
    main()
