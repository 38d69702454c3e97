# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What the recordings hold
# Stimuli, traces and tuning of a data set, before anything is trained on it. Without a run folder these are the
# simulated recordings that come with the package; with one, the recordings of that run.

# %%
# %matplotlib inline
from tempfile import mkdtemp

import numpy as np
import pandas as pd
from IPython.display import Video

import stcnn
from stcnn.config import compose, validate
from stcnn.data.audit.checks import audit
from stcnn.report import measured_responses
from stcnn.stimuli.table import table_of
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel, grey_pictures
from stcnn.viz.stimuli import filmstrip
from stcnn.viz.theme import colours
from stcnn.viz.traces import response_grid
from stcnn.viz.tuning import stimulus_peaks

# %% tags=["parameters"]
RUN = None  # folder of a run, such as "experiments/2026-11-22_14-03-12_simulated"

# %%
config = validate(stcnn.open_run(RUN).config()) if RUN else compose(["dataset.n_animals=3"])
dataset = config.open_dataset()
dataset.table.groupby("cell_type").agg(
    animals=("animal", "nunique"), neurons=("neuron", "nunique"), stimuli=("stimulus", "nunique"),
    recordings=("stimulus", "size"),
)  # fmt: skip

# %% [markdown]
# ## Stimuli
# Four of them, from stimulus onset on; a movie knows its rate, its degrees per pixel and its grey.

# %%
names = list(dataset.movies)
shown = [names[i] for i in np.linspace(0, len(names) - 1, 4).astype(int)]
filmstrip({name: dataset.movies[name] for name in shown})

# %% [markdown]
# ## Traces
# Neurons thin, their mean with its 95 % interval. Where the stimuli belong to a known protocol, its table gives rows
# and columns; others follow each other.

# %%
table = table_of(dataset.table.stimulus)
rows = table.rows if table else {" " * i: names[i : i + 8] for i in range(0, min(len(names), 64), 8)}
cell_type = dataset.cell_types[0]
measured = {name: measured_responses(dataset, name) for name in dataset.cell_types}
grid = {label: [measured[cell_type].get(name) for name in row] for label, row in rows.items()}
response_grid(grid, colours(dataset.cell_types)[cell_type], heading=f"{cell_type}, measured")

# %% [markdown]
# ## Tuning
# The peak of each neuron to each stimulus (thin), and the mean of its cell type.

# %%
peaks = pd.DataFrame(
    [(r.cell_type, r.neuron, r.stimulus, np.nanmax(r.trace)) for r in dataset.recordings],
    columns=["cell_type", "neuron", "stimulus", "dff"],
)
stimulus_peaks(peaks)

# %% [markdown]
# ## A stimulus with its traces
# Of each cell type the stimulus with the strongest mean response, as pictures and as a film.

# %%
strongest = peaks.groupby(["cell_type", "stimulus"]).dff.mean().groupby("cell_type").idxmax()
filmstrip({stimulus: dataset.movies[stimulus] for _, stimulus in strongest})

# %%
panels = []
for cell_type, stimulus in strongest:
    movie, response = dataset.movies[stimulus], measured[cell_type][stimulus]
    traces = {cell_type: (response.time_s, np.nanmean(response.measured, axis=0))}
    colour = {cell_type: colours(dataset.cell_types)[cell_type]}
    pictures, start_s = grey_pictures(movie.luminance()), float(movie.time_s[0])
    panels.append(Panel(stimulus, pictures, movie.rate_hz, start_s, traces, colour))
film = write_animation(f"{mkdtemp()}/measured.mp4", panels, Clock(speed=0.5))
Video(str(film), embed=True, html_attributes="controls loop muted")

# %% [markdown]
# ## What to distrust
# The audit compares recordings with their movies, repeats with each other and animals with each other. `stcnn data
# check` writes it as a page.

# %%
found = audit(dataset)
print(f"{found.colour}: {len(found.flags)} flags")
pd.DataFrame(found.worst_first()[:10], columns=["colour", "check", "what", "reason"])
