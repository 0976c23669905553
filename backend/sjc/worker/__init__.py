"""The engine as Blender's servant: JSON lines on standard input and output."""
