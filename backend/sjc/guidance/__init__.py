"""Denoisers D(x; sigma), Perturb-and-Average Scoring, noise schedules and view prompts."""
