# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a network answers
# To published protocols, to stimuli of your own from parameters, and to any mp4. Without a run folder, a small network
# is trained for a moment; a folder with published checkpoints will do as well.
# The same on the command line: `stcnn predict RUN klapoetke2022_size flash:luminance=1 street.mp4`.

# %%
# %matplotlib inline
from pathlib import Path
from tempfile import mkdtemp

from IPython.display import Video

import stcnn
from stcnn.commands.predict import write_responses
from stcnn.config import compose
from stcnn.experiments import between_grey, respond
from stcnn.published import published_epochs
from stcnn.stimuli import Screen, load_protocol, natural_motion, read_movie, render, write_movie
from stcnn.stimuli.table import stimulus_table
from stcnn.training.fit import train
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel, grey_pictures
from stcnn.viz.stimuli import filmstrip
from stcnn.viz.traces import prediction_overview
from stcnn.viz.tuning import TuningCurve, size_tuning, tuning_curves

# %% tags=["parameters"]
RUN = None  # folder of a run or of published checkpoints, such as "experiments/2026-11-22_14-03-12_simulated"
VIDEO = None  # a movie file of yours; None renders one
VIDEO_DEG_PER_PX = 1.0  # degrees of visual angle that a pixel of it stands for

# %%
if RUN is None:
    config = compose(
        [
            "training.epochs=2", "dataset.n_animals=2", "model.hidden.channels=[4,4]", "training.max_batches=20",
            "training.device=cpu", f"experiments_dir={mkdtemp()}",
        ]
    )  # fmt: skip
    run = config.new_run()
    train(config.open_dataset(), config, run)
    RUN = run.path
published = published_epochs(RUN)
model = stcnn.open_published(RUN, published[-1]) if published else stcnn.open_run(RUN).model()
screen = Screen(rate_hz=60, deg_per_px=model.deg_per_px)

# %% [markdown]
# ## A protocol
# The 49 rectangles of Klapoetke et al. 2022, in the table of the paper. Each movie stands between grey.

# %%
protocol = load_protocol("klapoetke2022_size")
sizes = respond(model, ((name, between_grey(movie, 0.2, 1.0)) for name, movie in protocol.movies(screen)))
table = stimulus_table(protocol)
prediction_overview(sizes, table.rows, table.columns)

# %% [markdown]
# The peak above the level before the stimulus, as a map:

# %%
sides_deg = protocol.axes.height_deg.unique()
peaks = sizes.groupby(["cell_type", "stimulus"], sort=False).dff.agg(lambda dff: dff.max() - dff.iloc[0])
size_tuning({name: peaks[name].to_numpy().reshape(7, 7) for name in model.cell_types}, sides_deg, sides_deg)

# %% [markdown]
# ## Stimuli from parameters
# Any kind of stimulus with any arguments (`stcnn stimuli list`), here a series of speeds.

# %%
speeds_deg_s = [20, 40, 80, 160, 320]
square = {"kind": "moving_rectangle", "width_deg": 10, "height_deg": 10, "luminance": 0}
own = {f"{v}°/s": between_grey(render(screen, {**square, "speed_deg_s": v}), 0.3, 1.0) for v in speeds_deg_s}
speeds = respond(model, own.items())
at_peak = speeds.groupby(["cell_type", "stimulus"], sort=False).dff.agg(lambda dff: dff.max() - dff.iloc[0])
curves = {name: TuningCurve(speeds_deg_s, at_peak[name].to_numpy()) for name in model.cell_types}
tuning_curves(curves, "speed of a square of 10° (°/s)", log=True)

# %% [markdown]
# ## Any movie file
# An mp4 brings pixels and a frame rate; say how many degrees a pixel is. It is placed on the screen of the recordings,
# turned to grey and resampled to the rate of the screen.

# %%
if VIDEO is None:
    scene = natural_motion(Screen(rate_hz=30, shape_px=(83, 83)), duration_s=2.0, seed=1)
    VIDEO, VIDEO_DEG_PER_PX = write_movie(scene, f"{mkdtemp()}/scene.mp4"), 1.0
video = read_movie(VIDEO, screen=screen, deg_per_px=VIDEO_DEG_PER_PX, background=screen.background)
filmstrip({Path(VIDEO).name: video})

# %%
answers = respond(model, [(Path(VIDEO).name, between_grey(video, 0.5, 1.0))])
prediction_overview(answers)

# %% [markdown]
# ## Files
# As a table (CSV or Parquet) or as arrays (npz), and as a film.

# %%
folder = Path(mkdtemp())
for name in ("speeds.csv", "speeds.parquet", "speeds.npz"):
    print(write_responses(speeds, folder / name).stat().st_size, "bytes in", name)
panels = []
for name, movie in own.items():
    mine = speeds[speeds.stimulus == name].groupby("cell_type", sort=False)
    traces = {kind: (rows.time_s.to_numpy(), rows.dff.to_numpy()) for kind, rows in mine}
    panels.append(Panel(name, grey_pictures(movie.luminance()), movie.rate_hz, float(movie.time_s[0]), traces))
film = write_animation(folder / "speeds.mp4", panels, Clock(speed=0.5), n_columns=5)
Video(str(film), embed=True, html_attributes="controls loop muted")

# %% [markdown]
# ## The receptive-field map
# Protocol 48RRCC090: a grating in an aperture at 7 x 9 places. The pictures stand where the apertures do. A model
# answers alike at every frame rate; here 30 Hz will do.

# %%
protocol = load_protocol("klapoetke2022_receptive_field")
table, panels, screen = stimulus_table(protocol), [], screen.model_copy(update={"rate_hz": 30})
for name in table.stimuli:
    movie = between_grey(protocol.movie(name, screen), 0.2, 0.8)
    traces = {kind: (movie.time_s, dff) for kind, dff in model.predict(movie, start="steady").items()}
    panels.append(Panel("", grey_pictures(movie.luminance()), movie.rate_hz, float(movie.time_s[0]), traces))
film = write_animation(folder / "receptive_field.mp4", panels, n_columns=len(table.columns))
Video(str(film), embed=True, html_attributes="controls loop muted")
