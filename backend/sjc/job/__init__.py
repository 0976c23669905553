"""One prompt, one folder: the run, its checkpoint, its events and its files."""
