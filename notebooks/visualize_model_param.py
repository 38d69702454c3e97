# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a network learned
# Its losses, its weights in degrees, its filters in milliseconds, the receptive fields that all layers together make,
# its parameters with their bounds, and its feature maps while a stimulus runs. Without a run folder this is the run
# that comes with the package; a folder with published checkpoints will do as well.

# %%
# %matplotlib inline
from tempfile import mkdtemp

import pandas as pd
import torch
from IPython.display import Video, display

import stcnn
from stcnn.experiments import between_grey, receptive_fields
from stcnn.nn.bounds import Bounds
from stcnn.published import published_epochs
from stcnn.report.learned import (
    KERNEL_RATE_HZ,
    impulse_responses,
    likeness_to_start,
    parameter_values,
    spatial_weights,
)
from stcnn.stimuli import Screen, looming_disc
from stcnn.viz import weights
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.history import loss_history
from stcnn.viz.panel import Panel, coloured_maps, grey_pictures

# %% tags=["parameters"]
RUN = None  # folder of a run or of published checkpoints, such as "experiments/2026-11-22_14-03-12_simulated"
EPOCHS = [0, 5, 10]  # whose weights stand before those of the finished network, where the run kept them

# %%
published = published_epochs(RUN) if RUN else []
if published:
    before = {epoch: stcnn.open_published(RUN, epoch) for epoch in EPOCHS if epoch in published[:-1]}
    model = stcnn.open_published(RUN, published[-1])
else:
    run = stcnn.open_run(RUN) if RUN else stcnn.example_run()
    before = {epoch: run.model(epoch) for epoch in EPOCHS if epoch in run.checkpoints()}
    model = run.model()
print(f"{len(model.hidden)} hidden layers, cell types {', '.join(model.cell_types)}")

# %% [markdown]
# ## Parameters
# Every name that the network has, with its shape.

# %%
named = [(name, "×".join(map(str, p.shape)) or "1", p.numel()) for name, p in model.named_parameters()]
pd.DataFrame(named, columns=["parameter", "shape", "numbers"])

# %% [markdown]
# ## Losses
# On the training set after every step, on the validation set after every epoch, by cell type.

# %%
if not published:
    display(loss_history(run.losses(), run.scores(), run.finished_epoch()))

# %% [markdown]
# ## Spatial weights
# One tile per pair of channels, its size below it; zero is pale. Where the run kept its start, a table says how alike
# the weights are to it: a layer with a correlation near 1 shows its random numbers, not something learned.

# %%
if 0 in before:
    display(pd.Series(likeness_to_start(model, before[0]), name="correlation with the start").round(2).to_frame())
layers = spatial_weights(model)
for name in layers:
    if name != "readouts":
        for epoch, earlier in before.items():
            print(f"after {epoch} epochs (left) and after the training")
            display(weights.weight_change(spatial_weights(earlier)[name], layers[name]))
        if not before:
            display(weights.weight_grid(layers[name]))

# %% [markdown]
# What each cell type reads from the last layer, centred on its column:

# %%
weights.weight_grid(layers["readouts"])

# %% [markdown]
# ## Temporal filters
# Impulse responses in milliseconds, each divided by its peak; pale ones are those of the untrained network.

# %%
start = impulse_responses(before[0]) if 0 in before else None
weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ, before=start)

# %% [markdown]
# ## Receptive fields
# How the voltage follows small contrast at every place and lag, through all layers: map, azimuth by lag, time course.

# %%
RATE_HZ = 60.0
weights.receptive_fields(receptive_fields(model, RATE_HZ, lags_s=0.4), RATE_HZ, model.deg_per_px)

# %% [markdown]
# ## Values of the parameters
# Filled: after training; outline: before, where the run kept it; dashed: bounds.

# %%
weights.parameter_histograms(parameter_values(model, before.get(0, model), Bounds()))

# %% [markdown]
# ## Feature maps
# A disc looms; beside it the channels of every hidden layer, each on its own scale, relative to grey.

# %%
movie = between_grey(looming_disc(Screen(rate_hz=RATE_HZ, deg_per_px=model.deg_per_px), edge_speed_deg_s=60), 1.0, 0.5)
with torch.no_grad():
    maps = model.maps(torch.from_numpy(movie.contrast())[None], RATE_HZ)
first = round(0.8 * RATE_HZ)
panels = [Panel("looming disc", grey_pictures(movie.luminance()[first:]), RATE_HZ, -0.2)]
for i in range(len(model.hidden)):
    layer = maps[f"norm.{i}"][first:, 0].numpy()
    panels.append(Panel(f"hidden layer {i + 1}", coloured_maps(layer - layer[0]), RATE_HZ, -0.2))
film = write_animation(f"{mkdtemp()}/maps.mp4", panels, Clock(speed=0.5), n_columns=5)
Video(str(film), embed=True, html_attributes="controls loop muted")
