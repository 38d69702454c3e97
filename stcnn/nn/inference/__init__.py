"""Frozen networks: evaluation with state and without gradients."""
