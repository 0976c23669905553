"""The repository's experiments: those of `sjc.experiments` on the embedded world, and those that need its solids."""
