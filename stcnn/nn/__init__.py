"""The mathematics of the network, in torch only: it knows nothing of files, stimuli or training."""
