"""Stimuli of every kind that the page draws, with random parameters."""

from __future__ import annotations

import random
from typing import Any


class RandomStimuli:
    """Draws stimuli.

    Args:
        seed: of the parameters.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.between = self.random.uniform
        self.choose = self.random.choice

    def each(self) -> list[dict[str, Any]]:
        """One stimulus of every kind, each with its own phases."""
        alone = [*self._moving(), *self._standing(), *self._growing(), *self._random()]
        alone = [{**stimulus, "timing": self._timing()} for stimulus in alone]
        by_kind = {stimulus["kind"]: stimulus for stimulus in alone}
        parts = [by_kind["drifting_grating"], by_kind["moving_spot"]]
        return [*alone, {"kind": "sequence", "parts": parts[::-1]}, {"kind": "overlay", "parts": parts}]

    def _timing(self) -> dict[str, float]:
        names = ("before_s", "hold_first_s", "hold_last_s", "after_s")
        return {name: self.choose([0, 0, self.between(0, 0.1)]) for name in names}

    def _place(self) -> dict[str, float]:
        return {"azimuth_deg": self.between(-20, 20), "elevation_deg": self.between(-15, 15)}

    def _light(self) -> float:
        return self.between(0, 1)

    def _patch(self) -> float | list[float] | None:
        return self.choose([None, self.between(3, 30), [self.between(3, 30), self.between(3, 30)]])

    def _motion(self) -> dict[str, float]:
        ends = self.choose([{}, {"start_deg": self.between(-30, -5), "stop_deg": self.between(0, 30)}])
        direction = self.choose([0, 90, 180, 270, 45, self.between(0, 360)])
        return {"speed_deg_s": self.between(100, 400), "direction_deg": direction, "luminance": self._light(), **ends}

    def _moving(self) -> list[dict[str, Any]]:
        sides = {"width_deg": self.between(2, 30), "height_deg": self.between(2, 40)}
        return [
            {"kind": "moving_rectangle", **sides, **self._motion(), **self._place()},
            {"kind": "moving_bar", "width_deg": self.between(2, 30), **self._motion()},
            {"kind": "moving_edge", **self._motion()},
            {"kind": "moving_spot", "size_deg": self.between(0.5, 30), **self._motion(), **self._place()},
            {
                "kind": "drifting_grating",
                "period_deg": self.between(3, 40),
                **self.choose([{"speed_deg_s": self.between(0, 100)}, {"frequency_hz": self.between(0, 10)}]),
                "direction_deg": self.choose([0, 90, self.between(0, 360)]),
                "duration_s": self.between(0.1, 0.3),
                "contrast": self._light(),
                "waveform": self.choose(["square", "sine"]),
                "phase_cycles": self._light(),
                "aperture_deg": self._patch(),
                **self._place(),
            },
        ]

    def _standing(self) -> list[dict[str, Any]]:
        there = {"patch_deg": self._patch(), **self._place()}
        steps = [self._light() for _ in range(3)]
        waves = {"frequency_hz": self.between(1, 20), "waveform": self.choose(["square", "sine"])}
        return [
            {
                "kind": "flash",
                "luminance": self._light(),
                "duration_s": 0.2,
                **there,
                "direction_deg": self.between(0, 360),
            },
            {"kind": "luminance_steps", "luminances": steps, "step_s": self.between(0.03, 0.1), **there},
            {"kind": "contrast_steps", "contrasts": steps, "step_s": self.between(0.05, 0.1), **waves, **there},
            {"kind": "flicker", "duration_s": self.between(0.1, 0.4), "contrast": self._light(), **waves, **there},
        ]

    def _growing(self) -> list[dict[str, Any]]:
        small_deg = self.between(1, 20)
        large_deg = self.between(21, 100)
        law = self.choose([{"edge_speed_deg_s": self.between(80, 400)}, {"r_over_v_s": self.between(0.005, 0.03)}])
        told = {**law, "luminance": self._light(), **self._place()}
        grows = {"start_deg": small_deg, "end_deg": large_deg, **told}
        return [
            {"kind": "looming_disc", **grows},
            {"kind": "dimming_disc", **grows},
            {"kind": "looming_ring", "line_deg": self.between(0.5, 6), **grows},
            {"kind": "receding_disc", "start_deg": large_deg, "end_deg": small_deg, **told},
        ]

    def _random(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": "white_noise",
                "check_deg": self.between(3, 10),
                "update_hz": self.between(10, 60),
                "duration_s": 0.2,
                "seed": self.random.randrange(2**40),
                "contrast": self._light(),
                "distribution": self.choose(["binary", "gaussian"]),
            },
            {
                "kind": "natural_motion",
                "duration_s": 0.2,
                "velocity_deg_s": self.between(0, 300),
                "velocity_tau_s": self.between(0.02, 0.3),
                "contrast": self.between(0, 0.6),
                "finest_deg": self.between(2, 6),
                "seed": self.random.randrange(2**40),
            },
            {
                "kind": "sparse_noise",
                "check_deg": self.between(15, 30),
                "flash_s": self.between(0.02, 0.05),
                "gap_s": self.choose([0, 0.02]),
                "per_flash": self.choose([1, 2]),
                "luminances": self.choose([[0, 1], [0, 1, 0.7]]),
                "seed": self.random.randrange(1000),
            },
            {
                "kind": "moving_dots",
                "size_deg": self.between(1, 6),
                "dots_per_deg2": self.between(0.005, 0.03),
                "speed_deg_s": self.between(0, 200),
                "duration_s": 0.2,
                "coherence": self._light(),
                "direction_deg": self.between(0, 360),
                "lifetime_s": self.choose([None, self.between(0.02, 0.2)]),
                "luminance": self._light(),
                "seed": self.random.randrange(100),
            },
        ]
