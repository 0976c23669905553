"""`sjc models check`: whether a loaded model denoises as it should, what it costs, and a report of it."""
