"""Density and colour grids, cameras, the two renderers and the regularisers."""
