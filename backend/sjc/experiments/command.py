"""`sjc experiment`: its words, and one run. Light at the top: the command line starts without numpy and torch."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SjcError

if TYPE_CHECKING:
    from .harness import Experiment, Options
    from .pictures import PictureSource

NAMES = ("denoiser", "ood", "paas")
OUT = Path("outputs/experiments")


def experiments() -> dict[str, Experiment]:
    """The experiments of this package by name."""
    return {name: import_module(f".{name}", __package__).EXPERIMENT for name in NAMES}


def add_arguments(parser: argparse.ArgumentParser, out: Path = OUT) -> None:
    """The words after the experiment's name."""
    parser.add_argument("--model", default="embedded", help="embedded, a folder, or a hub id [embedded]")
    parser.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 [few with --quick]")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"pages and cells [{out}; quick: {out}-quick]")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps [auto]")
    parser.add_argument("--quick", action="store_true", help="little of everything: to see that it runs")
    parser.add_argument("--pages", action="store_true", help="write the pages anew from their records; measure nothing")


def choose(name: str, known: Mapping[str, Experiment]) -> Experiment:
    """The experiment of that name. Raises SjcError for an unknown one."""
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."
    raise SjcError(f'experiment: "{name}" is unknown; {hint}')


def options_of(args: argparse.Namespace, experiment: Experiment, pictures: PictureSource | None = None) -> Options:
    """What the command line says; without --seeds the experiment's own number. Raises SjcError."""
    from .harness import Options
    from .pictures import DISCS

    usual = experiment.quick_seeds if args.quick else experiment.seeds
    seeds = usual if args.seeds is None else args.seeds
    return Options(args.model, seeds, args.quick, args.device, pictures or DISCS)


def folder_of(args: argparse.Namespace, out: Path = OUT) -> Path:
    """Where pages and cells go; a quick run never takes the place of a whole one."""
    given: Path | None = args.out
    return given or (out.with_name(out.name + "-quick") if args.quick else out)


def main(args: argparse.Namespace) -> int:
    """Run one. Its answer goes to standard output, what is being done to standard error."""
    from .harness import run
    from .picture_folder import folder_source

    experiment = choose(args.name, experiments())
    out = folder_of(args)
    if args.pages:
        record = rewritten(experiment, out)
    else:
        pictures = None if args.pictures is None else folder_source(args.pictures)
        record = run(experiment, options_of(args, experiment, pictures), out, tell)
    print(f"{experiment.answer(record)}\n{out / experiment.name}.md")
    return 0


def rewritten(experiment: Experiment, out: Path) -> dict[str, Any]:
    """The record of the page that was written anew. Raises SjcError where `out` holds none."""
    from .harness import rewrite

    record = rewrite(experiment, out)
    if record is None:
        raise SjcError(f"{experiment.name}: {out} holds no {experiment.name}.json; run it without --pages first.")
    return record


def tell(line: str) -> None:
    """To standard error, at once."""
    print(line, file=sys.stderr, flush=True)
