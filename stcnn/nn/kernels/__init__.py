"""Compiled code: it knows arrays and addresses, no model."""
