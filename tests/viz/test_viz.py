"""Figures show the numbers they were given, with units, limits and bounds; animations show the right frame."""

from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from stcnn.errors import FileError
from stcnn.movie import Movie
from stcnn.viz import history, scores, traces, tuning, visual_field, weights
from stcnn.viz.animations import Clock, animate
from stcnn.viz.film import write_film
from stcnn.viz.panel import Panel, coloured_maps, grey_pictures
from stcnn.viz.stimuli import filmstrip
from stcnn.viz.theme import DARK, LIGHT, PALETTE, Theme

RNG = np.random.default_rng(3)


def lines(figure: Figure, panel: int) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata(), float) for line in figure.axes[panel].lines]


def test_the_map_of_the_visual_field_has_every_neuron_where_it_sits():
    places = pd.DataFrame(
        {
            "cell_type": ["a", "a", "b"],
            "azimuth_deg": [1.0, -2.0, 30.0],
            "elevation_deg": [5.0, 0.0, -3.0],
            "recorded_azimuth_deg": [0.0, -2.0, 25.0],
            "recorded_elevation_deg": [4.0, 0.0, -3.0],
        }
    )
    figure = visual_field.visual_field(places, (20.0, 40.0))
    (axes,) = figure.axes
    drawn = [line for line in axes.lines if line.get_label() in ("a", "b")]
    assert [np.asarray(line.get_xdata()).tolist() for line in drawn] == [[1.0, -2.0], [30.0]]
    assert [np.asarray(line.get_ydata()).tolist() for line in drawn] == [[5.0, 0.0], [-3.0]]
    assert axes.get_xlim()[1] >= 30
    (edge,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert edge.get_bbox().bounds == (-20.0, -10.0, 40.0, 20.0)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "as recorded"]


def test_no_cell_type_hides_another_that_was_recorded_at_the_same_place():
    names = ["a", "b", "c", "d", "e"]
    places = pd.DataFrame({"cell_type": names, "azimuth_deg": 3.0, "elevation_deg": -2.0})
    figure = visual_field.visual_field(places, (20.0, 40.0))
    (axes,) = figure.axes
    figure.set_dpi(200)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    left = round(axes.get_position().x1 * canvas.get_width_height()[0])
    of_the_map = np.asarray(canvas.buffer_rgba())[:, :left, :3].reshape(-1, 3)
    for colour in PALETTE[:5]:
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (of_the_map == wanted).all(1).sum() > 10, colour  # in the map itself, not in the legend beside it


def test_loss_history_draws_every_cell_type_and_marks_the_kept_epoch():
    losses = pd.DataFrame(
        {"epoch": [1, 1, 2, 2], "step": [1, 1, 2, 2], "cell_type": ["a", "b"] * 2, "loss": [4.0, 3, 2, 1]}
    )
    held_out = pd.DataFrame(
        {
            "epoch": [1, 1, 2, 2],
            "cell_type": ["a", "b"] * 2,
            "loss": [5.0, 4, 3, 2],
            "correlation": [0.1, 0.2, 0.3, 0.4],
            "training_loss": [np.nan, np.nan, 2.5, 1.5],
        }
    )
    figure = history.loss_history(losses, held_out, finished_epoch=2)
    assert [list(y) for y in lines(figure, 2)[:2]] == [[0.1, 0.3], [0.2, 0.4]]
    raw, smooth = lines(figure, 0)[:2]
    assert list(raw) == [4, 2]
    assert len(smooth) == 2
    assert lines(figure, 1)[0][1:] == pytest.approx([2.5])
    assert list(lines(figure, 1)[1]) == [5, 3]
    assert np.asarray(figure.axes[1].lines[-1].get_xdata()) == pytest.approx([2, 2])
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3
    assert "dF/F" in figure.axes[0].get_ylabel()


def test_tiles_stand_in_their_row_and_column():
    kernels = RNG.normal(size=(2, 3, 4, 5))
    canvas = weights.tiled(kernels)
    assert canvas.shape == (2 * 5 - 1, 3 * 6 - 1)
    np.testing.assert_array_equal(canvas[5:9, 6:11], kernels[1, 1])
    assert np.isnan(canvas[4]).all()
    assert np.isnan(canvas[:, 5]).all()


def test_weight_grid_is_centred_at_zero_and_says_degrees():
    kernels = RNG.normal(size=(3, 2, 7, 7))
    axes = weights.weight_grid(weights.LayerWeights("layer", kernels, ["1", "2", "3"], spacing_deg=4.0)).axes[0]
    low, high = axes.images[0].get_clim()
    assert -low == high == pytest.approx(np.abs(kernels).max())
    assert "28° × 28°" in axes.get_xlabel()
    assert len(axes.get_yticks()) == 3


def test_single_input_has_its_outputs_side_by_side():
    axes = weights.weight_grid(weights.LayerWeights("layer", np.ones((6, 1, 3, 3)), list("abcdef"), 4.0)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == list("abcdef")


def test_kernels_are_drawn_over_milliseconds():
    kernel = np.exp(-np.arange(50)[:, None] / np.array([10.0, 20.0]))
    axes = weights.temporal_kernels({"layer 1": kernel}, rate_hz=500).axes[0]
    assert np.asarray(axes.lines[1].get_ydata()) == pytest.approx(kernel[:, 1] / kernel[0, 1])
    assert np.asarray(axes.lines[0].get_xdata())[-1] == pytest.approx(98)
    assert "ms" in axes.get_xlabel()


def test_kernels_of_the_untrained_network_are_drawn_beneath():
    kernel = np.exp(-np.arange(50)[:, None] / np.array([10.0, 20.0]))
    axes = weights.temporal_kernels({"layer 1": kernel}, 500, before={"layer 1": 3 * kernel[:, :1]}).axes[0]
    assert len(axes.lines) == 3
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx(kernel[:, 0])
    assert axes.lines[0].get_zorder() <= axes.lines[1].get_zorder()
    assert axes.get_ylabel() == "impulse response / its peak"


def test_weights_before_and_after_share_one_scale():
    before, after = (
        weights.LayerWeights("hidden layer 2", RNG.normal(size=(2, 3, 5, 5)), ["1", "2"], 4.0) for _ in "ab"
    )
    figure = weights.weight_change(before, after)
    left, right = figure.axes[:2]
    assert left.images[0].get_clim() == right.images[0].get_clim()
    assert right.images[0].get_clim()[1] == pytest.approx(max(np.abs(w.weights).max() for w in (before, after)))
    assert [axes.get_title() for axes in (left, right)] == ["hidden layer 2, untrained", "hidden layer 2, trained"]
    np.testing.assert_array_equal(np.asarray(right.images[0].get_array())[:5, :5], after.weights[0, 0])


def test_histogram_counts_every_value_and_draws_bounds():
    values = np.array([5.0, 5.0, 20.0, 160.0])
    parameter = weights.ParameterValues("tau", "ms", values, (5.0, None), log=True, initial=np.array([10.0, 300.0]))
    axes = weights.parameter_histograms([parameter]).axes[0]
    assert sum(bar.get_height() for bar in axes.patches if hasattr(bar, "get_height")) == len(values)
    assert np.asarray(axes.lines[0].get_xdata()) == pytest.approx([5, 5])
    assert axes.get_xscale() == "log"
    edges = weights.histogram_edges(parameter)
    assert edges[0] == pytest.approx(5)
    assert edges[-1] == pytest.approx(300)


def test_receptive_field_is_shown_at_its_strongest_lag_with_up_up():
    field = np.zeros((6, 11, 21))
    field[3, 2, 15] = -2.0
    where, _, when = weights.receptive_fields({"lc4": field}, rate_hz=100, deg_per_px=2.0).axes[:3]
    assert "30 ms" in where.get_title()
    assert tuple(where.images[0].get_extent()) == (-21, 21, -11, 11)
    assert where.images[0].origin == "upper"
    assert np.asarray(when.lines[0].get_ydata()) == pytest.approx(1e3 * field[:, 2, 15])
    assert "10⁻³ voltage / contrast" in when.get_ylabel()
    low, high = where.images[0].get_clim()
    assert -low == high == pytest.approx(2000)


def test_mean_has_the_interval_of_its_standard_error_and_skips_missing_neurons():
    measured = RNG.normal(size=(8, 5))
    measured[2, 1] = np.nan
    interval = traces.mean_interval(measured)
    present = np.delete(measured[:, 1], 2)
    assert interval.mean[1] == pytest.approx(present.mean())
    assert interval.high[1] - interval.mean[1] == pytest.approx(1.96 * present.std(ddof=1) / np.sqrt(7))
    alone = traces.mean_interval(measured[:1])
    np.testing.assert_array_equal(alone.low, alone.high)


def test_response_grid_has_the_layout_of_the_table_on_one_scale():
    time_s = np.linspace(-1, 2, 4)
    cell = traces.StimulusResponse("s", time_s, np.arange(4.0), RNG.normal(size=(3, 4)))
    figure = traces.response_grid({"high": [cell, None], "low": [cell, cell]}, PALETTE[1], heading="sizes")
    assert [axes.get_visible() for axes in figure.axes] == [True, False, True, True]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    widths = [line.get_linewidth() for line in figure.axes[0].lines[:5]]
    assert widths[0] < widths[3] < widths[4]
    np.testing.assert_array_equal(figure.axes[0].lines[4].get_ydata(), np.arange(4.0))
    assert to_hex(figure.axes[0].lines[4].get_color()).upper() == PALETTE[1]


def test_prediction_overview_has_a_panel_per_stimulus_and_a_line_per_cell_type():
    rows = [(s, c, t, t) for s in ("x", "y") for c in ("a", "b", "c") for t in (0.0, 1.0)]
    figure = traces.prediction_overview(pd.DataFrame(rows, columns=["stimulus", "cell_type", "time_s", "dff"]))
    assert [axes.get_title() for axes in figure.axes] == ["x", "y"]
    assert all(len(axes.lines) == 4 for axes in figure.axes)


def test_prediction_overview_follows_the_stimulus_table():
    rows = [(s, "a", t, t) for s in ("x", "y", "z", "w") for t in (0.0, 1.0)]
    table = pd.DataFrame(rows, columns=["stimulus", "cell_type", "time_s", "dff"])
    figure = traces.prediction_overview(table, {"high": ["z", "w"], "low": ["x", "y"]}, ["narrow", "wide"])
    assert [axes.get_title() for axes in figure.axes] == ["narrow", "wide", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["high\ndF/F", "", "low\ndF/F", ""]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "time (s)", "time (s)"]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_filmstrip_shows_the_frames_in_which_something_is_seen():
    frames = np.full((20, 8, 10), 0.5, np.float32)
    frames[5:10, 3, 4] = 0
    movie = Movie(frames, 10.0, deg_per_px=2.0, background=0.5, onset_s=0.5)
    figure = filmstrip({"dot": movie, "coded": movie.coded()}, n_frames=3)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["0.00 s", "0.20 s", "0.40 s"]
    for axes in figure.axes:
        np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), frames[7])
        assert axes.images[0].get_clim() == (0, 1)
        assert tuple(axes.images[0].get_extent()) == (-10, 10, -8, 8)


def test_stimulus_peaks_show_every_neuron_and_the_mean():
    table = pd.DataFrame(
        {"cell_type": ["a", "a", "a", "b"], "neuron": list("1213"), "stimulus": list("xxyy"), "dff": [1.0, 3, 5, 7]}
    )
    figure = tuning.stimulus_peaks(table)
    assert [axes.get_xlabel() for axes in figure.axes] == ["peak dF/F"] * 2
    assert [bar.get_width() for bar in figure.axes[0].patches if isinstance(bar, Rectangle)] == [2, 5]
    assert np.asarray(figure.axes[0].lines[0].get_xdata()) == pytest.approx([1, 3, 5])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["x", "y"]


def test_tuning_curves_lay_measurements_over_predictions():
    x = np.array([10.0, 20, 40])
    curve = tuning.TuningCurve(x, np.array([1.0, 2, 3]), np.array([1.0, 2, 2]), np.array([0.1, 0.1, 0.1]))
    axes = tuning.tuning_curves({"lc4": curve}, "speed (deg/s)", log=True).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["10", "20", "40"]
    assert axes.get_xlabel() == "speed (deg/s)"
    assert len(axes.containers) == 1


def test_size_maps_start_at_zero_with_the_smallest_height_below():
    peaks = np.arange(6.0).reshape(2, 3)
    axes = tuning.size_tuning({"lc4": peaks}, [2, 9], [2, 9, 30]).axes[0]
    assert axes.images[0].get_clim() == (0, 5)
    assert axes.images[0].origin == "lower"
    assert "°" in axes.get_xlabel()


def test_peaks_share_a_square_scale():
    table = pd.DataFrame(
        {
            "cell_type": "a",
            "stimulus": list("xyz"),
            "measured": [1.0, 2, 3],
            "low": [0.5, 1.5, 2.5],
            "high": [1.5, 2.5, 3.5],
            "predicted": [2.0, 4, 6],
        }
    )
    axes = tuning.peak_agreement(table).axes[0]
    assert axes.get_xlim() == axes.get_ylim()
    assert "r = 1.00" in axes.get_title()


def test_scores_show_neurons_their_mean_and_references():
    neurons = pd.DataFrame({"cell_type": ["a", "a", "b"], "neuron": list("123"), "correlation": [0.2, 0.4, np.nan]})
    neurons.loc[2, "correlation"] = 0.9
    neurons["ceiling"] = [0.5, np.nan, 0.95]
    references = pd.DataFrame({"cell_type": ["a"], "reference": ["noise ceiling"], "correlation": [0.8]})
    figure = scores.neuron_scores(neurons, references)
    drawn = lines(figure, 0)
    assert any(len(y) == 2 and np.allclose(y, 0.3) for y in drawn)
    assert any(len(y) == 2 and np.allclose(y[~np.isnan(y)], 0.5) for y in drawn)
    assert any(np.allclose(y, 0.8) for y in drawn)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert {"noise ceiling", "its noise ceiling"} <= {text.get_text() for text in legend.get_texts()}


def test_calibration_of_a_right_model_lies_on_the_diagonal():
    predicted = RNG.normal(size=5000)
    figure = scores.calibration(predicted, predicted + RNG.normal(size=5000) * 0.1)
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_ydata()) == pytest.approx(np.asarray(line.get_xdata()), abs=0.03)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_figures_follow_the_theme(theme: Theme):
    figure = scores.calibration(np.arange(20.0), np.arange(20.0), theme)
    assert to_hex(figure.get_facecolor()).upper() == theme.paper


def panel(n_frames: int = 20) -> Panel:
    pictures = np.zeros((n_frames, 8, 8), np.uint8)
    pictures[n_frames // 2 :] = 255
    time_s = np.linspace(-0.5, 1.5, 50)
    return Panel("dot", pictures, 10.0, -0.5, {"measured": (time_s, time_s), "lc4": (time_s, -time_s)})


def test_traces_grow_while_the_pictures_run():
    frames = list(animate([panel(), panel()], Clock(fps=10)))
    assert len(frames) == 20
    assert all(side % 2 == 0 for side in frames[0].shape[:2])
    blank = frames[0].astype(int)
    changed = [int((np.abs(frame.astype(int) - blank) > 30).sum()) for frame in frames]
    assert changed[0] == 0
    assert changed[10] > changed[9] > changed[3] > 0
    assert (frames[15] == 255).mean() > (frames[5] == 255).mean()


def test_many_panels_are_small_and_traces_keep_the_colours_they_were_given():
    time_s = np.linspace(-0.5, 1.5, 50)
    one = Panel("", np.zeros((20, 8, 8), np.uint8), 10.0, -0.5, {"lc4": (time_s, np.zeros(50))}, {"lc4": "#FF0000"})
    few, many = (list(animate([one] * n, Clock(fps=1), n_columns=9))[-1] for n in (9, 63))
    assert many.shape[0] < 7 * few.shape[0]
    assert many.shape[1] < few.shape[1]
    assert ((many == [255, 0, 0]).all(-1).any(0)).mean() > 0.3  # red lines cross all columns of panels


def test_panels_without_traces_have_a_narrow_line_of_time():
    bare = Panel("maps", panel().pictures, 10.0, -0.5)
    with_traces, without = (next(iter(animate([one]))) for one in (panel(), bare))
    assert without.shape[0] < with_traces.shape[0] - 70


def test_slow_motion_has_more_frames():
    assert len(list(animate([panel()], Clock(fps=10, speed=0.5)))) == 40


def test_feature_maps_are_pale_at_zero_and_red_above():
    maps = np.zeros((2, 3, 3, 4))
    maps[1, 1, 1, 0], maps[1, 1, 1, 1] = 5.0, -0.1
    pictures = coloured_maps(maps, n_columns=2)
    assert pictures.shape == (2, 7, 7, 3)
    assert pictures[0, 0, 0].min() > 240
    assert int(pictures[1, 1, 1, 0]) - int(pictures[1, 1, 1, 2]) > 50
    assert int(pictures[1, 1, 5, 2]) - int(pictures[1, 1, 5, 0]) > 50


def test_grey_pictures_are_eight_bits():
    np.testing.assert_array_equal(grey_pictures(np.array([[[0.0, 0.498, 1.2]]])), [[[0, 127, 255]]])


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_animation_files_hold_every_frame(ending: str, tmp_path: Path):
    path = write_film(tmp_path / f"film.{ending}", animate([panel()], Clock(fps=10)), fps=10)
    with av.open(str(path)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 20
    expected = list(animate([panel()], Clock(fps=10)))
    assert np.abs(shown[12].astype(int) - expected[12]).mean() < 6
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_animation_of_nothing_or_to_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(FileError, match=r"expected an animation as .mp4 or .gif"):
        write_film(tmp_path / "film.avi", iter([]))
    with pytest.raises(FileError, match="has no frame"):
        write_film(tmp_path / "film.mp4", iter([]))
    assert not list(tmp_path.iterdir())


def test_columns_that_are_no_squares_are_drawn_where_they_lie() -> None:
    places = np.stack(np.meshgrid(np.arange(3) - 1.0, 1.0 - np.arange(3)), -1)
    corners = np.array([(0.5, 0), (0, 0.5), (-0.5, 0), (0, -0.5)])
    cells = places[:, :, None] + corners
    kernels = np.arange(18.0).reshape(1, 2, 3, 3)
    kernels[:, :, 0, 0] = np.nan
    polygons, values = weights.cell_tiles(kernels, cells)
    assert len(polygons) == len(values) == 16
    np.testing.assert_array_equal(values[:8], np.arange(1.0, 9))
    middles = np.array([polygon.mean(0) for polygon in polygons])
    np.testing.assert_allclose(middles[3], (1, 1))  # the middle of the first tile, rows downwards
    np.testing.assert_allclose(middles[0], (1, 0))  # a column above it is drawn above
    np.testing.assert_allclose(middles[8 + 3], (5, 1))
    figure = weights.weight_grid(weights.LayerWeights("layer", kernels, ["1"], 4.0, cells=cells))
    assert len(figure.axes[0].collections) == 1
    assert figure.axes[0].get_xlabel() == "input channel; tile 3° × 3°"
    wide = weights.LayerWeights("layer", np.ones((1, 1, 3, 3)), ["1"], 4.0, cells=cells * np.array([2.0, 1.0]))
    assert weights.tile_size_deg(wide) == (6.0, 3.0)
