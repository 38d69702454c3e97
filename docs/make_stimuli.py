"""The picture of docs/stimuli.md: every kind of stimulus as one frame and as the course of its middle row over time.

python docs/make_stimuli.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from stcnn.stimuli import Screen, render
from stcnn.viz.theme import themed

TARGET = Path(__file__).parent / "images" / "stimuli.png"
SHOWN: dict[str, dict[str, object]] = {
    "looming_disc": {"edge_speed_deg_s": 50},
    "looming_disc, r/v": {"r_over_v_s": 0.04, "start_deg": 5},
    "receding_disc": {"edge_speed_deg_s": 50},
    "dimming_disc": {"edge_speed_deg_s": 50, "end_deg": 40},
    "looming_ring": {"edge_speed_deg_s": 50, "line_deg": 4},
    "moving_rectangle": {"width_deg": 9, "height_deg": 30, "direction_deg": 30},
    "moving_bar": {"width_deg": 8},
    "moving_edge": {"direction_deg": 180},
    "moving_spot": {"size_deg": 20},
    "drifting_grating": {"period_deg": 20, "speed_deg_s": 40, "duration_s": 1, "aperture_deg": 50},
    "drifting_grating, sine": {"waveform": "sine", "period_deg": 20, "speed_deg_s": 40, "duration_s": 1},
    "flash": {"luminance": 1, "duration_s": 0.6, "patch_deg": [60, 20], "timing": {"before_s": 0.2, "after_s": 0.2}},
    "flicker": {"frequency_hz": 4, "duration_s": 1, "patch_deg": 40},
    "luminance_steps": {"luminances": [0, 0.25, 0.75, 1], "step_s": 0.25},
    "contrast_steps": {"contrasts": [0.2, 0.5, 1], "step_s": 0.33, "frequency_hz": 12},
    "sparse_noise": {"check_deg": 12, "flash_s": 0.1},
    "white_noise": {"check_deg": 5, "update_hz": 15, "duration_s": 1},
    "natural_motion": {"duration_s": 1},
    "moving_dots": {"size_deg": 5, "dots_per_deg2": 0.004, "speed_deg_s": 60, "duration_s": 1, "coherence": 1.0},
    "overlay": {
        "parts": [
            {"kind": "drifting_grating", "period_deg": 20, "speed_deg_s": 30, "contrast": 0.5, "duration_s": 1.2},
            {"kind": "moving_spot", "size_deg": 20, "speed_deg_s": 80},
        ]
    },
}


def main() -> None:
    screen = Screen(rate_hz=60)
    with themed():
        figure, axes = plt.subplots(8, 5, figsize=(9.5, 13), height_ratios=(5, 2) * 4, layout="constrained")
    for i, (name, arguments) in enumerate(SHOWN.items()):
        movie = render(screen, {"kind": name.split(",")[0], **arguments})
        light = movie.luminance()[:60]
        frame = int(0.55 * len(light))
        picture, course = axes[2 * (i // 5), i % 5], axes[2 * (i // 5) + 1, i % 5]
        picture.imshow(light[frame], cmap="gray", vmin=0, vmax=1, extent=(-41.5, 41.5, -41.5, 41.5))
        course.imshow(
            light[:, 41], cmap="gray", vmin=0, vmax=1, aspect="auto", extent=(-41.5, 41.5, len(light) / 60, 0)
        )
        picture.set_title(name, fontsize=8)
        picture.set(xticks=[], yticks=[])
        course.set(xticks=[-40, 0, 40], yticks=[0, 1], ylim=(1, 0))
        if i % 5 == 0:
            course.set_ylabel("time (s)")
            picture.set_ylabel("elevation")
        if i >= 15:
            course.set_xlabel("azimuth (°)")
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=90)


if __name__ == "__main__":
    main()
