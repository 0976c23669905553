"""`python3 build.py experiments [NAME ...]`: the experiments on the embedded world; bare: all of them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.report import ROOT
from experiments import index, on_cluster, sample2d, texture
from experiments.rows import ROWS
from experiments.world_pictures import WORLD, bank
from sjc.errors import SjcError
from sjc.experiments import command
from sjc.experiments.harness import Experiment, run, side_by_side, survey
from sjc.machine import streams

OUT = ROOT / "docs" / "experiments"
MOST_AT_ONCE = 64


def known() -> dict[str, Experiment]:
    """All experiments, in the order of the index page."""
    rows = (sample2d.EXPERIMENT, *(row.experiment() for row in ROWS), texture.EXPERIMENT)
    return {**command.experiments(), **{row.name: row for row in rows}}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python3 build.py experiments", description=__doc__)
    made.add_argument("names", nargs="*", metavar="NAME", help=f"which [all]: {', '.join(known())}")
    command.add_arguments(made, Path("docs/experiments"))
    made.add_argument("--at-once", type=int, default=1, metavar="N", help="cells side by side, sharing the cores [1]")
    made.add_argument("--cluster", metavar="ADDRESS", help="cells on the slots of a cluster: local, auto, HOST:PORT")
    return made


def measure(chosen: list[Experiment], args: argparse.Namespace, out: Path) -> None:
    """Print the budget of all, then run one after the other, cells side by side as --at-once says."""
    if not 1 <= args.at_once <= MOST_AT_ONCE:
        raise SjcError(f"--at-once: {args.at_once} is out of range; use 1 to {MOST_AT_ONCE}.")
    options = {row.name: command.options_of(args, row, WORLD) for row in chosen}
    for experiment in chosen:
        command.tell(survey(experiment, options[experiment.name], out))
    if args.cluster and args.at_once > 1:
        raise SjcError("--at-once and --cluster exclude each other; leave one of them out.")
    if args.at_once > 1 or args.cluster:
        bank()  # else every process would trace the views
    with on_cluster.computing(args.cluster) if args.cluster else side_by_side(args.at_once) as processes:
        for experiment in chosen:
            print(experiment.answer(run(experiment, options[experiment.name], out, command.tell, processes)))


def main(words: list[str]) -> int:
    """Run what the words say; 2 for bad input, 130 for Ctrl-C."""
    streams.never_fail()
    args = parser().parse_args(words)
    try:
        chosen = [command.choose(name, known()) for name in args.names] or list(known().values())
        out = args.out or (ROOT / "outputs" / "experiments-quick" if args.quick else OUT)
        if args.pages:
            held = [row for row in chosen if args.names or (out / f"{row.name}.json").is_file()]
            for experiment in held:
                print(experiment.answer(command.rewritten(experiment, out)))
        else:
            measure(chosen, args, out)
        index.write(known().values(), out)
    except SjcError as error:
        print(f"experiments: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("experiments: stopped; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
