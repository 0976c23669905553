"""What the commands of the command line do.  Each takes the parsed arguments and returns the exit status."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import foreign, settings
from .batch import destination, making, plan
from .batch.destination import Destination
from .batch.plan import BatchJob
from .batch.ray_cluster import ClusterOptions
from .errors import SjcError
from .job import folder as job_folder
from .job import inputs, locks
from .job.pointer import repair_pointer
from .job.progress import Bar, Event, JsonLines, Report
from .machine import standard_input
from .machine.streams import as_json
from .paths import local_path, model_name, user_path
from .settings import Settings

if TYPE_CHECKING:
    from .job.run import JobRun

FAILED_CHECK, BAD_INPUT, INTERRUPTED = 1, 2, 130
OUTPUTS = Path("outputs")


class CtrlC:
    """The first Ctrl-C asks the loop to stop after its step; a second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Self:
        self.before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _handle(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __call__(self) -> bool:
        """Whether the job should stop after its step."""
        return self.asked


def generate(args: argparse.Namespace) -> int:
    """sjc generate: one object in a new job folder."""
    chosen = inputs.whole(settings.resolve_job({**settings.overrides(args), "prompt": args.prompt}))
    return _begin(args.out or job_folder.free_folder(OUTPUTS, chosen), chosen, args)


def refine(args: argparse.Namespace) -> int:
    """sjc refine: go on from a finished result, with or without other words, in a new job folder."""
    from .job import refine

    given = {name: value for name, value in settings.overrides(args).items() if name != "prompt"}
    chosen = inputs.whole(refine.settings_of(args.folder, args.prompt, given))
    return _begin(args.out or refine.free_folder(args.folder, chosen), chosen, args)


def _begin(folder: Path, chosen: Settings, args: argparse.Namespace) -> int:
    """A new job from its first step."""
    from .job import run

    run.check_early(chosen)
    job_folder.check_folder(folder, chosen)
    with locks.holding(folder):
        return _finish(folder, _run_new(folder, chosen, _reporter(args)), args.json)


def variants(args: argparse.Namespace) -> int:
    """sjc variants: several short runs of one prompt, side by side; with --clear, away with those nobody took."""
    from .variants import plan as variant_plan

    if args.clear:
        for folder in variant_plan.clear(local_path(args.prompt)):
            print(folder)
        return 0
    chosen = inputs.whole(settings.resolve_job({**settings.overrides(args), "prompt": args.prompt}))
    wanted = variant_plan.variants_of(chosen, args.count)
    parent = args.out or variant_plan.free_parent(OUTPUTS, chosen)
    report = _reporter(args)
    with CtrlC() as stop, standard_input.withheld():
        from .variants import making as variants_making

        try:
            made = variants_making.make(wanted, parent, report, stop)
        finally:
            if isinstance(report, Bar):
                report.close()
    for folder, problem in made.problems.items():
        print(f"sjc: {folder}: {problem}", file=sys.stderr)
    if made.stopped:
        print(f"sjc: stopped; sjc resume takes a folder in {parent} to full length", file=sys.stderr)
        return INTERRUPTED
    if not args.json:
        print(parent / variant_plan.SHEET)
        for folder in made.folders:
            print(folder)
    return BAD_INPUT if made.problems else 0


def texture(args: argparse.Namespace) -> int:
    """sjc texture: a texture for a mesh, in a new job folder."""
    args.surface = args.file
    if args.strength is not None:
        args.surface_strength = args.strength
    return generate(args)


def sharpen(args: argparse.Namespace) -> int:
    """sjc sharpen: a finished result's mesh with truer colours, in a new job folder."""
    from .job import sharpen

    given = settings.overrides(args)
    if args.strength is not None:
        given["surface_strength"] = args.strength
    chosen = inputs.whole(sharpen.settings_of(args.folder, given))
    return _begin(args.out or sharpen.free_folder(args.folder), chosen, args)


def resume(args: argparse.Namespace) -> int:
    """sjc resume: go on with an unfinished job."""
    from .job import run
    from .job.kinds import job_run

    job_folder.read_settings(args.folder)  # else a mistyped name would become a folder
    with locks.holding(args.folder):
        if job_folder.finished(args.folder) and repair_pointer(args.folder):
            return _finish(args.folder, {}, args.json)
        chosen = run.reopen(args.folder)
        return _finish(args.folder, _run(job_run(args.folder, chosen, _reporter(args))), args.json)


def _reporter(args: argparse.Namespace) -> Report:
    return JsonLines() if args.json else Bar()


def _run_new(folder: Path, chosen: Settings, report: Report) -> dict[str, Any] | None:
    """Run a new job to its end; None if Ctrl-C stopped it.

    Its folder is prepared when model, device and prompt have proved good: a mistyped word with --overwrite costs no
    result.
    """
    from .job.kinds import job_run

    job = job_run(folder, chosen, report)
    return _run(job, prepare=lambda: job_folder.prepare_folder(folder, chosen))


def _run(job: JobRun, prepare: Callable[[], None] | None = None) -> dict[str, Any] | None:
    """Run a job to its end, with `prepare` called once the model is loaded; None if Ctrl-C stopped it."""
    from .job.run import Stopped

    with CtrlC() as stop, standard_input.withheld():
        job.stop = stop
        try:
            if prepare:
                job.load()
                prepare()
            return job.run()
        except Stopped:
            return None
        finally:
            if isinstance(job.report, Bar):
                job.report.close()


def _finish(folder: Path, record: dict[str, Any] | None, quiet: bool) -> int:
    if record is None:
        print(f"sjc: stopped; go on with: sjc resume {folder}", file=sys.stderr)
        return INTERRUPTED
    if not quiet:
        for name in (job_folder.MESH, job_folder.PREVIEW, job_folder.TURNTABLE):
            if (folder / name).exists():
                print(folder / name)
    return 0


def batch(args: argparse.Namespace) -> int:
    """sjc batch: all lines are checked before the first job starts; a failing job does not stop the others."""
    for name in ("gpus_per_job", "jobs_per_gpu", "cpus_per_job"):
        if getattr(args, name) is not None and not args.cluster:
            raise SjcError(f"--{name.replace('_', '-')} needs --cluster.")
    with destination.opened(args.out, absolute=bool(args.cluster)) as out:
        jobs = batch_jobs(args, out.folder)
        return _batch_on_cluster(jobs, out, args) if args.cluster else _batch_here(jobs, out, args)


def _batch_here(jobs: list[BatchJob], out: Destination, args: argparse.Namespace) -> int:
    report = _reporter(args)

    def tell(event: Event) -> None:
        report(event)
        if event["type"] == "error":
            print(f"sjc: {event['folder']}: {event['text']}", file=sys.stderr)

    @contextlib.contextmanager
    def during() -> Iterator[CtrlC]:
        with CtrlC() as stop, standard_input.withheld():
            try:
                yield stop
            finally:
                if isinstance(report, Bar):
                    report.close()

    return _finish_batch(making.here(jobs, out, tell, during))


def batch_jobs(args: argparse.Namespace, out: Path) -> list[BatchJob]:
    """Every job that the arguments ask for, in `out`: of a list, or, with --grid, of a prompt. Raises SjcError."""
    own = [text for text in args.grid if "=" not in text]  # the setting of that name: voxels along an edge
    grid = plan.parse_grid(text for text in args.grid if "=" in text)
    args.grid = own[-1] if own else None
    if grid and args.file != "-" and not foreign.kind(user_path(args.file)):
        text = json.dumps(args.file)
    else:
        text = plan.read_text(args.file)
    return plan.plan(text, out, settings.overrides(args), grid)


def _batch_on_cluster(jobs: list[BatchJob], out: Destination, args: argparse.Namespace) -> int:
    from .batch.table import SlotTable

    own = {name: getattr(args, name) for name in ("gpus_per_job", "jobs_per_gpu", "cpus_per_job")}
    options = ClusterOptions(args.cluster, **{name: value for name, value in own.items() if value is not None})
    table = None if args.json else SlotTable()
    report = table.report if table else JsonLines()
    try:
        with CtrlC() as stop:
            shown = table.show if table else lambda _dispatch: None
            return _finish_batch(making.on_cluster(jobs, out, options, report, shown, stop))
    finally:
        if table:
            table.close()


def _finish_batch(result: making.Result) -> int:
    if result.stopped:
        begun = [row["folder"] for row in result.rows if row["state"] in {"unfinished", "waiting"}]
        print(f"sjc: stopped; the same command goes on at {begun[0] if begun else 'its end'}", file=sys.stderr)
        return INTERRUPTED
    if result.failed:
        count = f"{len(result.failed)} of {len(result.rows)}"
        print(f"sjc: {count} jobs failed; the same command tries them again.", file=sys.stderr)
    return BAD_INPUT if result.failed else 0


def models(args: argparse.Namespace) -> int:
    """sjc models: list, info, check, fetch, remove or convert."""
    from .doctor import model_info, print_table
    from .models import model_list

    args.model = model_name(args.model)
    if args.action == "list":
        return model_list.show(args.json)
    if args.action == "check":
        return _check_model(args)
    if args.action == "remove":
        from .models.model_removal import remove

        freed = remove(args.model, yes=args.yes)
        print(json.dumps({"freed_bytes": freed}) if args.json else "kept" if freed is None else "removed")
        return 0
    if args.action == "login":
        from .models.hub import sign_in

        sign_in(_secret("Token: "))
        print(json.dumps({"signed_in": True}) if args.json else "the token is kept by the hub's own client")
        return 0
    if args.action == "convert":
        from .models.convert import convert

        written = convert(user_path(args.model))
        print(json.dumps({"written": str(written)}) if args.json else f"{written} is written")
        return 0
    if args.action == "fetch" and args.dry_run:
        from .models import download_info

        info = asdict(download_info.ask(args.model))
        lines = [f"{k:<14} {v}" for k, v in info.items()]
        if info["gated"]:
            from .models import gated

            lines.append(f"{args.model}: {gated.steps(args.model)}")
        print(json.dumps(info) if args.json else "\n".join(lines))
        return 0
    if args.action == "fetch":
        from .models import model_files

        def tell(size: int) -> None:
            if args.json:
                print(json.dumps({"download_bytes": size}), flush=True)
            else:
                print(f"{args.model}: {size / 1e6:.1f} MB, as far as it is not here yet", file=sys.stderr)

        folder = model_files.locate(args.model, download=True, tell=tell)
        if not (folder / "model_index.json").is_file() and not model_files.is_sister(folder):
            from .models import control

            control.check(args.model)
            print(json.dumps({"control": str(folder)}) if args.json else f"{args.model}: a ControlNet, in {folder}")
            return 0
    rows = model_info(args.model)
    if args.json:
        print(as_json(rows))
    else:
        print_table(rows)
    return 0


def _secret(question: str) -> str:
    """A line of standard input, not shown where a person types it; never an argument, which other programs can see."""
    import getpass

    return getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline()


def _check_model(args: argparse.Namespace) -> int:
    """sjc models check: one line a check, and a report in a folder; a status of its own where a check fails."""
    from .check.place import free_folder
    from .check.run import check_model

    report = _reporter(args)
    folder = args.output or free_folder(OUTPUTS, args.model)
    try:
        record = check_model(args.model, folder, report, device=args.device)
    finally:
        if isinstance(report, Bar):
            report.close()
    if args.json:
        report({"type": "result", "folder": str(folder), "ok": record["ok"], "checks": record["checks"]})
    else:
        _print_checks(record["checks"])
        print(folder)
    return 0 if record["ok"] else FAILED_CHECK


def _print_checks(checks: Iterable[Mapping[str, Any]]) -> None:
    for line in checks:
        print(f"{'ok  ' if line['ok'] else 'FIX '} {line['name']:<9} {line['text']}")


def doctor(args: argparse.Namespace) -> int:
    """sjc doctor: one line a check, and one of the kernels where they are to be compiled; bad input where one fails."""
    from .doctor import checks, kernels

    lines = [*checks(), *([kernels()] if args.compile else [])]
    if args.json:
        print(as_json(lines))
    else:
        _print_checks(lines)
    return 0 if all(line["ok"] for line in lines) else BAD_INPUT
