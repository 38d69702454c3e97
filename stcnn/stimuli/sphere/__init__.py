"""Directions around a fly, and what stimuli of true angular size look like in them."""
