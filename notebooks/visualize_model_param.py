# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # What a network learned
# Its weights in degrees, its filters in milliseconds, the receptive fields that all layers together make, its
# parameters with their bounds, and its feature maps while a stimulus runs. Without a run folder, a small network is
# trained for a moment; a folder with published checkpoints will do as well.

# %%
# %matplotlib inline
from tempfile import mkdtemp

import torch
from IPython.display import Video, display

import stcnn
from stcnn.config import compose
from stcnn.experiments import between_grey, receptive_fields
from stcnn.nn.bounds import Bounds
from stcnn.published import published_epochs
from stcnn.report.learned import KERNEL_RATE_HZ, impulse_responses, parameter_values, spatial_weights
from stcnn.stimuli import Screen, looming_disc
from stcnn.training.fit import train
from stcnn.viz import weights
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel, coloured_maps, grey_pictures

# %% tags=["parameters"]
RUN = None  # folder of a run or of published checkpoints, such as "experiments/2026-11-22_14-03-12_simulated"

# %%
if RUN is None:
    config = compose(
        [
            "training.epochs=2", "dataset.n_animals=2", "model.hidden.channels=[4,4]", "training.max_batches=10",
            "training.device=cpu", f"experiments_dir={mkdtemp()}",
        ]
    )  # fmt: skip
    run = config.new_run()
    train(config.open_dataset(), config, run)
    RUN = run.path
if published := published_epochs(RUN):
    untrained, model = (stcnn.open_published(RUN, epoch) for epoch in (published[0], published[-1]))
else:
    untrained, model = stcnn.open_run(RUN).model(0), stcnn.open_run(RUN).model()
print(
    f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(model.hidden)} hidden layers, {model.cell_types}"
)

# %% [markdown]
# ## Spatial weights
# One tile per pair of channels, before and after training on one scale. Zero is pale; a tile has its size below it.

# %%
before, after = spatial_weights(untrained), spatial_weights(model)
for name in after:
    if name != "readouts":
        display(weights.weight_change(before[name], after[name]))

# %% [markdown]
# What each cell type reads from the last layer, centred on its column:

# %%
weights.weight_grid(after["readouts"])

# %% [markdown]
# ## Temporal filters
# Impulse responses in milliseconds, each divided by its peak; pale ones are those of the untrained network.

# %%
weights.temporal_kernels(impulse_responses(model), KERNEL_RATE_HZ, before=impulse_responses(untrained))

# %% [markdown]
# ## Receptive fields
# How the voltage follows small contrast at every place and lag, through all layers: map, azimuth by lag, time course.

# %%
RATE_HZ = 60.0
weights.receptive_fields(receptive_fields(model, RATE_HZ, lags_s=0.4), RATE_HZ, model.deg_per_px)

# %% [markdown]
# ## Parameters
# Filled: after training; outline: before; dashed: bounds.

# %%
weights.parameter_histograms(parameter_values(model, untrained, Bounds()))

# %% [markdown]
# ## Feature maps
# A disc looms; beside it the channels of every hidden layer, each on its own scale, relative to grey.

# %%
movie = between_grey(looming_disc(Screen(rate_hz=RATE_HZ, deg_per_px=model.deg_per_px), edge_speed_deg_s=60), 1.0, 0.5)
with torch.no_grad():
    maps = model.maps(torch.from_numpy(movie.contrast())[None], RATE_HZ)
start = round(0.8 * RATE_HZ)
panels = [Panel("looming disc", grey_pictures(movie.luminance()[start:]), RATE_HZ, -0.2)]
for i in range(len(model.hidden)):
    layer = maps[f"norm.{i}"][start:, 0].numpy()
    panels.append(Panel(f"hidden layer {i + 1}", coloured_maps(layer - layer[0]), RATE_HZ, -0.2))
film = write_animation(f"{mkdtemp()}/maps.mp4", panels, Clock(speed=0.5), n_columns=5)
Video(str(film), embed=True, html_attributes="controls loop muted")
