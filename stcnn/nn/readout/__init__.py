"""Readouts of the cell types: what they read of the last maps, and the voltages they make of it."""
