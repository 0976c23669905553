"""The index page: every experiment's question, and its answer as the record beside it has it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sjc.experiments.harness import Experiment, model_digest
from sjc.experiments.page import table
from sjc.experiments.records import weights_of
from sjc.output.files import read_json, write_bytes

HEADER = """\
# Experiments

The claims of the paper, each measured by one command: `python3 build.py experiments NAME` (all without a name; `--quick`
for a little of everything). The answers are sentences that the command writes from its numbers. Finished cells are kept
and passed over by the next call; `--pages` writes the pages anew from their records and measures nothing. Rows may run side
by side in processes of their own.

`sjc experiment denoiser`, `ood` and `paas` need no clone: on drawn discs, or with `--model` and `--pictures DIR` on a model
of pixels and pictures like those it was trained on.

"""

# A page stays true of the model it was measured with; what the model that ships now would say is not known.
EARLIER = """\
The embedded model that ships has the digest {}. Measured with an earlier release of it (the digest stands on each page): {}.

"""
HEAD = ["experiment", "question", "answer"]


def text(experiments: Iterable[Experiment], folder: Path) -> str:
    """The page of what `folder` holds; experiments that were not run there say so."""
    rows, earlier = [], []
    shipped = model_digest("embedded")
    for experiment in experiments:
        path = folder / f"{experiment.name}.json"
        record = read_json(path) if path.is_file() else None
        found = experiment.answer(record) if record else "not run here"
        name = f"[{experiment.name}]({experiment.name}.md)" if record else experiment.name
        rows.append([name, experiment.question, found.replace("|", "\\|")])
        if record and record["model"] == "embedded" and set(weights_of(record)) - {shipped}:
            earlier.append(experiment.name)
    return HEADER + (EARLIER.format(shipped, ", ".join(earlier)) if earlier else "") + table(HEAD, rows)


def write(experiments: Iterable[Experiment], folder: Path) -> None:
    """README.md of the folder, whole."""
    write_bytes(folder / "README.md", text(experiments, folder).encode())
