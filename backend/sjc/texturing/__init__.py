"""A texture for a mesh that is there: views of it denoised together, and merged on its surface."""
