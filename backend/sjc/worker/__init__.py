"""The worker process that serves Blender: JSON lines on standard input and output."""
