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

Each experiment measures claims of the paper. `python3 build.py experiments NAME` runs one, without a name it runs all,
and `--quick` runs a little of everything. The command writes pages, pictures and answers from its numbers. It saves
every finished cell and continues there when you start it again; `--pages` rewrites the pages from the saved records
without measuring anything. You can run several experiments side by side.

You can run `sjc experiment denoiser`, `ood` and `paas` without a clone of this repository: on drawn discs, or with
`--model` and `--pictures DIR` on a model of pixels and pictures like those it was trained on.

"""

# A page stays true of the model it was measured with; what today's model would come to is not known.
EARLIER = """\
The embedded model that ships now has the digest {}. These experiments were measured with an earlier release
of it, whose digest stands on each page: {}.

"""
LATENT = "tests/data/latent_model"
BESIDE = (LATENT, "embedded-views")  # models that a page may show beside the embedded one
HEAD = ["experiment", "question", "answer"]


def text(experiments: Iterable[Experiment], folder: Path) -> str:
    """The page of what `folder` holds; experiments that were not run there say so."""
    rows, earlier = [], []
    shipped = model_digest("embedded")
    today = {shipped, *(model_digest(name) for name in BESIDE)}
    for experiment in experiments:
        path = folder / f"{experiment.name}.json"
        record = read_json(path) if path.is_file() else None
        answer = experiment.answer(record) if record else "not run here"
        name = f"[{experiment.name}]({experiment.name}.md)" if record else experiment.name
        rows.append([name, experiment.question, answer.replace("|", "\\|")])
        if record and record["model"] == "embedded" and set(weights_of(record)) - today:
            earlier.append(experiment.name)
    return HEADER + (EARLIER.format(shipped, ", ".join(earlier)) if earlier else "") + table(HEAD, rows)


def write(experiments: Iterable[Experiment], folder: Path) -> None:
    """README.md of the folder, whole."""
    write_bytes(folder / "README.md", text(experiments, folder).encode())
