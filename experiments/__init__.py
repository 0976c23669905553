"""The experiments of the repository: those of `sjc.experiments` on the embedded world, and those that need its solids."""
