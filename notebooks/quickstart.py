# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Quickstart
# Simulate recordings, train for a moment, look at what came out, and ask the model about a stimulus it never saw.
# A real training is `make train`; here a small network and two epochs keep the wait short.

# %%
# %matplotlib inline
from pathlib import Path
from tempfile import mkdtemp

import stcnn
from stcnn.config import compose
from stcnn.experiments import between_grey, respond
from stcnn.report import trace_pairs
from stcnn.report.findings import find
from stcnn.stimuli import Screen, looming_disc
from stcnn.training.fit import train
from stcnn.viz.history import loss_history
from stcnn.viz.traces import prediction_grid, prediction_overview

# %% [markdown]
# Every key of the configuration can be given as on the command line.

# %%
config = compose(
    [
        "training.epochs=2", "dataset.n_animals=2", "model.hidden.channels=[4,4]", "training.max_batches=10",
        "training.device=cpu", f"experiments_dir={mkdtemp()}",
    ]
)  # fmt: skip
dataset = config.open_dataset()
run = config.new_run()
model = train(dataset, config, run)
dataset.table.groupby("cell_type")[["neuron", "stimulus"]].nunique()

# %%
loss_history(run.losses(), run.scores(), run.finished_epoch())

# %% [markdown]
# Held-out recordings, from the worst to the best prediction of each cell type:

# %%
findings = find(run, dataset, config.batching)
prediction_grid(trace_pairs(findings), "from the worst to the best")

# %% [markdown]
# A stimulus it never saw: a disc that looms at 60 degrees per second at each edge.

# %%
screen = Screen(rate_hz=60, deg_per_px=model.deg_per_px)
movie = between_grey(looming_disc(screen, edge_speed_deg_s=60), before_s=0.5, after_s=1.0)
prediction_overview(respond(model, [("looming at 60°/s", movie)]))

# %% [markdown]
# The run folder opens again whenever it is needed.

# %%
assert stcnn.open_run(run.path).model().cell_types == model.cell_types
sorted(path.name for path in Path(run.path).iterdir())
