"""Random dots of which a fraction moves coherently."""

from __future__ import annotations

import numpy as np

from stcnn.stimuli.coverage import direction, dots_coverage
from stcnn.stimuli.noise import Seed
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Positive, Screen, Timing


@stimulus
def moving_dots(
    screen: Screen,
    *,
    size_deg: Positive,
    dots_per_deg2: Positive,
    speed_deg_s: NonNegative,
    duration_s: Positive,
    coherence: Fraction = 1.0,
    direction_deg: float = 0.0,
    lifetime_s: Positive | None = None,
    luminance: Fraction = 0.0,
    seed: Seed = 0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """Dots that move at one speed: a fraction in one direction, each of the others in a direction of its own.

    Dots that leave the field enter on the other side, unseen. Dots are reborn at random places after their
    lifetime, each at a phase of its own (Newsome and Pare 1988, doi 10.1523/JNEUROSCI.08-06-02201.1988).

    Args:
        screen: where to draw.
        size_deg: diameter.
        dots_per_deg2: density.
        speed_deg_s: of every dot.
        duration_s: of the motion.
        coherence: fraction of dots that move in ``direction_deg``.
        direction_deg: 0 rightward, 90 upward.
        lifetime_s: of a dot; by default for ever.
        luminance: of the dots, 0..1.
        seed: of places and directions.
        timing: grey and holds.
    """
    random = np.random.default_rng(seed)
    room_deg = np.array([screen.width_deg, screen.height_deg]) + 2 * size_deg
    n_dots = max(1, round(dots_per_deg2 * float(np.prod(room_deg))))
    life_s = duration_s + 1.0 if lifetime_s is None else lifetime_s
    age_s = random.random(n_dots) * (0.0 if lifetime_s is None else life_s)
    births_deg = random.random((int(duration_s / life_s) + 2, n_dots, 2)) * room_deg
    angle = random.random(n_dots) * 2 * np.pi
    velocity_deg_s = speed_deg_s * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    velocity_deg_s[: round(coherence * n_dots)] = speed_deg_s * np.array(direction(direction_deg))

    def draw(time_s: Array) -> Picture:
        life, age = np.divmod(np.round(time_s[:, None] + age_s, 9), life_s)
        birth = births_deg[life.astype(int), np.arange(n_dots)]
        place = (birth + age[:, :, None] * velocity_deg_s) % room_deg - room_deg / 2
        coverage = dots_coverage(screen, place[:, :, 0], place[:, :, 1], size_deg)
        return Picture(coverage, luminance, {"speed_deg_s": speed_deg_s})

    return animate(screen, timing, duration_s, draw)
