"""Figures of in-silico physiology: what stands in their axes."""

import numpy as np

from stcnn.viz.physiology import Field, Line, MapAxes, Scale, borders, curves_by_type, maps_by_type

X = np.array([2.0, 4.0, 8.0])
SCALE = Scale("side (°)", "peak dF/F", log=True, ticks=[2.0, 8.0])


def test_borders_go_around_neighbours_and_not_between_them():
    cells = np.zeros((3, 4), bool)
    cells[1, 1:3] = True
    found = borders(cells)
    assert len(found) == 6  # of a rectangle of two cells
    lengths = np.linalg.norm(found[:, 1] - found[:, 0], axis=1)
    np.testing.assert_allclose(lengths, 1)
    assert found[..., 0].min() == 0.5
    assert found[..., 0].max() == 2.5
    assert borders(np.zeros((2, 2), bool)).shape == (0, 2, 2)


def test_curves_have_members_thin_a_band_from_three_on_and_what_was_measured():
    measured = np.array([[1.0, 0.2], [np.nan, np.nan], [0.5, 0.1]])
    members = np.array([[1.0, 2.0, 1.0], [1.2, 2.2, 1.2], [0.8, 1.8, 0.8]])
    figure = curves_by_type({"a": [Line("", X, members, measured)], "b": [Line("", X, members[:1])]}, SCALE)
    first, second = figure.axes[:2]
    lines = {line.get_label(): line for line in first.lines}
    np.testing.assert_allclose(np.asarray(lines["_only"].get_ydata(), float), members.mean(0))
    assert sum(line.get_linewidth() == 0.5 for line in first.lines) == 3
    assert len(first.collections) == 2  # the band and the error bars
    dots = next(line for line in first.lines if line.get_linestyle() == "None" and line.get_marker() == "o")
    np.testing.assert_allclose(np.asarray(dots.get_xdata()), [2.0, 8.0])
    assert not second.collections
    assert first.get_ylim()[0] == 0


def test_a_type_without_a_response_says_so():
    figure = curves_by_type({"a": [Line("", X, np.full((1, 3), np.nan))]}, SCALE)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no response"]


def test_maps_have_the_first_row_lowest_and_a_scale_of_their_own():
    fields = {"a": Field(np.array([[0.0, 1.0], [2.0, 4.0]])), "b": Field(np.array([[-3.0, 1.0], [0.0, np.nan]]))}
    axes = MapAxes("azimuth (°)", "elevation (°)", [0.0, 1.0], [5.0, 6.0], "r", signed=True)
    figure = maps_by_type(fields, axes)
    pictures = [panel.images[0] for panel in figure.axes if panel.images and panel.get_title()]
    assert [picture.get_clim() for picture in pictures] == [(-4.0, 4.0), (-3.0, 3.0)]
    assert pictures[0].origin == "lower"
