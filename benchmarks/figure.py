"""The figure of docs/performance.md, drawn from benchmarks/results/."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import record

from stcnn.viz import theme

COLOURS = {"recurrence": "#8c8c8c", "torch": "#0072b2", "torch+shared": "#56b4e9", "native": "#d55e00"}
COLOURS["native+shared"] = "#e69f00"


def draw_ratios(axes: plt.Axes, rows: list[dict[str, Any]], what: str, title: str) -> None:
    """Draw how many times faster than the direct form each path is, by clips per step."""
    measured = [row for row in rows if row["path"] in COLOURS]
    clips, paths = sorted({row["clips"] for row in measured}), list(dict.fromkeys(row["path"] for row in measured))
    for i, path in enumerate(paths):
        mine = {row["clips"]: row[f"{what}_ratio"] for row in measured if row["path"] == path}
        places = [clips.index(c) + (i - (len(paths) - 1) / 2) * 0.8 / len(paths) for c in mine]
        axes.bar(places, list(mine.values()), 0.8 / len(paths), label=path, color=COLOURS[path])
    axes.set(xticks=range(len(clips)), xticklabels=clips, xlabel="clips per step", ylabel="times faster than direct")
    axes.set(title=title)


def draw_memory(axes: plt.Axes, rows: list[dict[str, Any]]) -> None:
    """Draw peak memory of a training step by length of the clip."""
    single = [row for row in rows if row["n_clips"] == 1 and row["kernel_s"] is None]
    mine = [row for row in single if row["compute"] == "native"]
    axes.plot(
        [r["n_frames"] for r in mine], [r["peak_mb"] for r in mine], "o-", color=COLOURS["native"], label="native"
    )
    axes.set(xlabel="frames of the clip", ylabel="peak memory (MB)", title="Memory of a training step", ylim=(0, None))


def main() -> None:
    """Draw and write the figure."""
    with theme.themed():
        figure, (train, infer, memory) = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
        draw_ratios(train, record.written("paths"), "train", "Training step")
        draw_ratios(infer, record.written("paths"), "infer", "Inference")
        draw_memory(memory, record.written("memory"))
        figure.legend(*train.get_legend_handles_labels(), loc="outside lower left", ncols=5, frameon=False)
        memory.legend(frameon=False, fontsize="small")
        target = record.ROOT / "docs" / "images" / "performance.png"
        target.parent.mkdir(exist_ok=True)
        figure.savefig(target, dpi=130)
        print(f"written to {target}")


if __name__ == "__main__":
    main()
