"""The hidden stack in training: one algorithm, several engines."""
