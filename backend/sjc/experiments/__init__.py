"""The paper's experiments: cells are measured, saved one by one, and shown on a page.

Here stand the harness and the rows that need a model or a closed form alone. Pictures are handed in: `pictures.DISCS`
always, and the pictures of the embedded world by the repository's own `experiments` package, which also holds the rows
that need the world's exact solids (`sjc` never imports `training`).
"""
