"""Where a neuron looks, against where the picture ends.

Beyond the picture lies the background, which nothing crosses. A neuron whose receptive field has its middle there is
compared with a stimulus that it may not have seen: either the screen went on and the pictures are too small, or the
place is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stcnn.data.recordings import Recording
from stcnn.movie import Movie


def beyond_deg(movie: Movie, shift_px: tuple[int, int]) -> tuple[float, str]:
    """Degrees by which the place that a shift brings to the middle lies beyond the picture, and beyond which edge.

    Args:
        movie: the movie that was shown.
        shift_px: azimuth and elevation by which its picture was shifted, in pixels, as a recording has them.

    Returns:
        The largest distance from an edge, zero or less inside, and that edge in words.
    """
    rows, columns = movie.shape_px
    azimuth, elevation = shift_px
    away_px = {
        "left of": -columns / 2 - azimuth,
        "right of": azimuth - columns / 2,
        "above": elevation - rows / 2,
        "below": -rows / 2 - elevation,
    }
    edge = max(away_px, key=away_px.__getitem__)
    return away_px[edge] * movie.deg_per_px, edge


def looks_beyond(recordings: Iterable[Recording], movies: Mapping[str, Movie]) -> str:
    """What is said of a neuron that looks beyond the pictures; empty where no recording of it does."""
    found = [beyond_deg(movies[r.stimulus], r.shift_px) for r in recordings]
    beyond = [each for each in found if each[0] > 0]
    if not beyond:
        return ""
    furthest_deg, edge = max(beyond)
    of = "" if len(beyond) == len(found) else f" in {len(beyond)} of {len(found)} recordings"
    return (
        f"looks {furthest_deg:.3g} degrees {edge} the picture{of}, where nothing is shown: import larger pictures if "
        "the screen went on, else look at its place"
    )
