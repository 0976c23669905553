"""Score Jacobian Chaining: a sentence becomes a voxel radiance field (Wang et al., CVPR 2023, arXiv 2212.00774)."""

__version__ = "0.1.0"
