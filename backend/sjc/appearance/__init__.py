"""What a field looks like: pixels as they are, latents by an affine map or decoded."""
