# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a network responds
# To published protocols, to stimuli of your own from parameters, and to any mp4. Without a run folder the model is the
# run that comes with the package; a folder with published checkpoints will do as well.
# The same on the command line: `stcnn predict RUN klapoetke2022_size flash:luminance=1 street.mp4`.

# %%
# %matplotlib inline
from pathlib import Path
from tempfile import mkdtemp

from IPython.display import Video, display

import stcnn
from stcnn.experiments import between_grey, respond, write_responses
from stcnn.published import published_epochs
from stcnn.report import measured_responses
from stcnn.simulation import SimulatedDataConfig, simulated_dataset
from stcnn.stimuli import Screen, load_protocol, natural_motion, read_movie, render, write_movie
from stcnn.stimuli.table import stimulus_table
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel, grey_pictures
from stcnn.viz.stimuli import filmstrip
from stcnn.viz.theme import colours
from stcnn.viz.traces import prediction_overview, response_grid
from stcnn.viz.tuning import TuningCurve, size_tuning, tuning_curves

# %% tags=["parameters"]
RUN = None  # folder of a run or of published checkpoints, such as "experiments/2026-11-22_14-03-12_simulated"
RECORDINGS = None  # a store with recordings of the two protocols below; None simulates some where RUN is None
VIDEO = None  # a movie file of yours; None renders one
VIDEO_DEG_PER_PX = 1.0  # degrees of visual angle that a pixel of it stands for

# %%
published = published_epochs(RUN) if RUN else []
if published:
    model = stcnn.open_published(RUN, published[-1])
else:
    model = (stcnn.open_run(RUN) if RUN else stcnn.example_run()).model()
screen = Screen(rate_hz=60, deg_per_px=model.deg_per_px)


# %%
def recordings_of(protocol):
    """Recordings of a protocol, of none of which the model was trained; None where there are none."""
    if RECORDINGS:
        return stcnn.open_recordings(RECORDINGS)
    if RUN:
        return None
    small = {"n_animals": 2, "neurons_per_animal": 3, "cell_types": tuple(model.cell_types)}
    return simulated_dataset(SimulatedDataConfig(stimuli=protocol, rate_hz=screen.rate_hz, **small))


def draw(protocol):
    """Responses to a protocol in the rows and columns of its table, measured ones under the predicted."""
    movies = ((name, between_grey(movie, 0.5, 1.0)) for name, movie in load_protocol(protocol).movies(screen))
    responses = respond(model, movies)
    table, recordings = stimulus_table(load_protocol(protocol)), recordings_of(protocol)
    rows = table.rows if table else {"": list(responses.stimulus.unique())}
    columns = table.columns if table else ()
    if recordings is None:
        display(prediction_overview(responses, rows, columns))
        return responses
    for cell_type in (name for name in model.cell_types if name in recordings.cell_types):
        found = measured_responses(recordings, cell_type, responses)
        grid = {label: [found.get(name) for name in row] for label, row in rows.items()}
        heading = f"{cell_type}: measured (grey) and predicted (colour)"
        display(response_grid(grid, colours(model.cell_types)[cell_type], columns=columns, heading=heading))
    return responses


# %% [markdown]
# ## The sizes of the paper
# The 49 rectangles of Klapoetke et al. 2022, in the table of the paper, each between grey: in grey the neurons and
# their mean with its 95 % interval, in colour the prediction for the average neuron. The model was trained on a few of
# these sizes only.

# %%
sizes = draw("klapoetke2022_size")

# %% [markdown]
# The peak above the level before the stimulus, as a map:

# %%
sides_deg = load_protocol("klapoetke2022_size").axes.height_deg.unique()
peaks = sizes.groupby(["cell_type", "stimulus"], sort=False).dff.agg(lambda dff: dff.max() - dff.iloc[0])
size_tuning({name: peaks[name].to_numpy().reshape(7, 7) for name in model.cell_types}, sides_deg, sides_deg)

# %% [markdown]
# ## Looming
# Discs, rings and their reverse, of the same paper.

# %%
looming = draw("klapoetke2022_looming")

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
to_video = respond(model, [(Path(VIDEO).name, between_grey(video, 0.5, 1.0))])
prediction_overview(to_video)

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
# responds alike at every frame rate; here 30 Hz will do.

# %%
protocol = load_protocol("klapoetke2022_receptive_field")
table, panels, screen = stimulus_table(protocol), [], screen.model_copy(update={"rate_hz": 30})
for name in table.stimuli:
    movie = between_grey(protocol.movie(name, screen), 0.2, 0.8)
    traces = {kind: (movie.time_s, dff) for kind, dff in model.predict(movie, start="steady").items()}
    panels.append(Panel("", grey_pictures(movie.luminance()), movie.rate_hz, float(movie.time_s[0]), traces))
film = write_animation(folder / "receptive_field.mp4", panels, n_columns=len(table.columns))
Video(str(film), embed=True, html_attributes="controls loop muted")
