# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Quickstart
# Open a trained model, see how well it predicts recordings it was not trained on, and show it a stimulus of your own.
# The run comes with the package: a default training on simulated recordings of three cell types. `make train` makes
# another one, `stcnn train dataset=store dataset.path=MINE.zarr` one on your recordings.

# %%
# %matplotlib inline
import stcnn
from stcnn.experiments import between_grey, respond, tuning
from stcnn.experiments.tuning import TUNING_AXES
from stcnn.report import find, measured_responses, trace_pairs
from stcnn.stimuli import Screen, looming_disc
from stcnn.viz.stimuli import filmstrip
from stcnn.viz.theme import colours
from stcnn.viz.traces import prediction_grid, prediction_overview, response_grid
from stcnn.viz.tuning import TuningCurve, tuning_curves

# %% tags=["parameters"]
RUN = None  # folder of a run, such as "experiments/2026-11-22_14-03-12_simulated"; None is the run of the package

# %%
run = stcnn.open_run(RUN) if RUN else stcnn.example_run()

# %% [markdown]
# ## The recordings
# Each is the response of one neuron to one movie. Some pairs of a neuron and a stimulus were held out of the training.

# %%
dataset = run.dataset()
dataset.table.groupby("cell_type")[["animal", "neuron", "stimulus"]].nunique()

# %% [markdown]
# ## Predictions beside measurements
# Correlation with held-out recordings, and its ceiling: the most that the noise of the recordings allows.

# %%
findings = find(run, dataset, run.settings().batching)
findings.cell_types[["cell_type", "n_neurons", "n_recordings", "correlation", "low", "high", "ceiling"]].round(2)

# %%
prediction_grid(trace_pairs(findings), "from the worst to the best of each cell type")

# %% [markdown]
# All stimuli of one cell type: its neurons thin, their mean with its 95 % interval, and in colour what the model
# predicts for the average neuron, one that looks straight ahead.

# %%
model = findings.model
cell_type = dataset.cell_types[0]
responses = respond(model, dataset.movies.items())
shown = list(measured_responses(dataset, cell_type, responses).values())
rows = {" " * row: shown[8 * row : 8 * row + 8] for row in range(3)}
response_grid(rows, colours(dataset.cell_types)[cell_type], heading=f"{cell_type}: measured (grey) and predicted")

# %% [markdown]
# ## A stimulus it never saw
# A disc that looms at 60 degrees per second at each edge.

# %%
screen = Screen(rate_hz=60, deg_per_px=model.deg_per_px)
movie = between_grey(looming_disc(screen, edge_speed_deg_s=60), before_s=0.5, after_s=1.0)
filmstrip({"looming at 60°/s": movie})

# %%
prediction_overview(respond(model, [("looming at 60°/s", movie)]))

# %% [markdown]
# ## Tuning
# The largest response above that to grey, along a parameter of stimuli that were not in the training set.

# %%
speeds = tuning(model, TUNING_AXES[1], screen)
curves = {name: TuningCurve(speeds.values, peaks) for name, peaks in speeds.peaks.items()}
tuning_curves(curves, speeds.axis.title, log=speeds.axis.log)

# %% [markdown]
# ## Next
# * `stcnn explore` writes a page in which a browser runs the model while you turn its parameters.
# * The other notebooks: the recordings, what the network learned, and its answers to whole protocols.
# * [Two flies](../docs/two_flies.md): from Suite2p folders to a report.
