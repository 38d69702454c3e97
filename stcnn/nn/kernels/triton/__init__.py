"""Kernels for a GPU in Triton, as Python launches them; no GPU has measured them yet."""
