"""Arrays in, files out: mesh, volumes, pictures. NumPy only, no torch."""
