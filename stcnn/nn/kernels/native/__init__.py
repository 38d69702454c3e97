"""The C++ core, compiled on first use, as Python sees it."""
