"""Figures: results in, axes out; nothing here loads a file or calls a model."""
