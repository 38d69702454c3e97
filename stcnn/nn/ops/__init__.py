"""Operators on arrays that the layers are made of."""
