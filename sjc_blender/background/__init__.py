"""A second Blender without a window, which does what would freeze the one with it."""
