"""The field: voxel grid, cameras, two renderers with one meaning, regularisers. Imports nothing until asked."""
