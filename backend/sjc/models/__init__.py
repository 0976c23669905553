"""Finds, loads, places and runs diffusion models: each becomes one family of denoisers D(x; sigma)."""
