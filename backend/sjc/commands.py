"""What the commands of the command line do.  Each takes the parsed arguments and returns the exit status."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from . import causes, foreign, settings
from .errors import SjcError
from .job import folder as job_folder
from .job import locks
from .job.batch import decode, read_batch
from .job.pointer import repair_pointer
from .job.progress import Bar, JsonLines, Report
from .machine import standard_input
from .machine.streams import as_json
from .paths import model_name, user_path
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
    from .job import run

    chosen = settings.resolve_job({**settings.overrides(args), "prompt": args.prompt})
    folder = args.out or job_folder.free_folder(OUTPUTS, chosen)
    run.check_early(chosen)
    job_folder.check_folder(folder, chosen)
    with locks.holding(folder):
        return _finish(folder, _run_new(folder, chosen, _reporter(args)), args.json)


def resume(args: argparse.Namespace) -> int:
    """sjc resume: go on with an unfinished job."""
    from .job import run

    job_folder.read_settings(args.folder)  # else a mistyped name would become a folder
    with locks.holding(args.folder):
        if job_folder.finished(args.folder) and repair_pointer(args.folder):
            return _finish(args.folder, {}, args.json)
        chosen = run.reopen(args.folder)
        return _finish(args.folder, _run(run.JobRun(args.folder, chosen, _reporter(args))), args.json)


def _reporter(args: argparse.Namespace) -> Report:
    return JsonLines() if args.json else Bar()


def _run_new(folder: Path, chosen: Settings, report: Report) -> dict[str, Any] | None:
    """Run a new job to its end; None if Ctrl-C stopped it.

    Its folder is prepared when model, device and prompt have proved good: a mistyped word with --overwrite costs no
    result.
    """
    from .job.run import JobRun

    job = JobRun(folder, chosen, report)
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
    jobs = _batch_jobs(_batch_text(args.file), args)
    report, failed = _reporter(args), 0
    line = _BatchLine(report)
    for number, (folder, chosen) in enumerate(jobs, 1):
        report({"type": "status", "stage": "batch", "text": f"[{number}/{len(jobs)}] {chosen.prompt} -> {folder}"})
        try:
            if not line.run(folder, chosen):
                print(f"sjc: stopped; the same command goes on at {folder}", file=sys.stderr)
                return INTERRUPTED
        except Exception as error:
            if (known := causes.in_one_line(error)) is None:
                raise
            failed += 1
            report({"type": "error", "code": known[0], "text": known[1], "folder": str(folder)})
            print(f"sjc: {folder}: {known[1]}", file=sys.stderr)
    if failed:
        print(f"sjc: {failed} of {len(jobs)} jobs failed; the same command tries them again.", file=sys.stderr)
    return BAD_INPUT if failed else 0


def _batch_text(name: str) -> str:
    try:
        if name == "-":
            return decode(sys.stdin.buffer.read())
        return decode(foreign.read_bytes(user_path(name), foreign.RECORD_BYTES))
    except OSError as error:
        raise SjcError(f"{name} cannot be read as a list of prompts: {error.strerror or error}.") from error


def _batch_jobs(text: str, args: argparse.Namespace) -> list[tuple[Path, Settings]]:
    """Every job's folder and settings: its own, over those that the command line gives to all."""
    from .job import run

    common = settings.overrides(args)

    def resolve(own: Mapping[str, Any]) -> Settings:
        chosen = settings.resolve_job({**common, **own})
        run.check_early(chosen)
        return chosen

    return [
        (args.out / f"{number:03d}-{job_folder.slug(chosen.prompt)}-{chosen.seed}", chosen)
        for number, chosen in enumerate(read_batch(text, resolve), 1)
    ]


class _BatchLine:
    """Runs one job of a batch after the other, and hands the loaded model from each to the next."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.last_run: JobRun | None = None

    def run(self, folder: Path, chosen: Settings) -> bool:
        """Make, go on with, or pass over one job; False if Ctrl-C stopped it. Raises SjcError."""
        with locks.holding(folder):
            return self._held(folder, chosen)

    def _held(self, folder: Path, chosen: Settings) -> bool:
        from .job import run

        old = job_folder.read_settings(folder) if job_folder.has_settings(folder) else None
        if old != replace(chosen, overwrite=False) or chosen.overwrite:
            job_folder.check_folder(folder, chosen)
            return self._run(folder, chosen, prepare=lambda: job_folder.prepare_folder(folder, chosen))
        if job_folder.finished(folder):
            repair_pointer(folder)
            self.report({"type": "status", "stage": "batch", "text": "already there"})
            return True
        return self._run(folder, run.reopen(folder))

    def _run(self, folder: Path, chosen: Settings, prepare: Callable[[], None] | None = None) -> bool:
        from .job.run import JobRun

        job = JobRun(folder, chosen, self.report, previous=self.last_run)
        try:
            return _run(job, prepare) is not None
        finally:
            job.release_field()
            if job.has_model:
                self.last_run = job


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
            from .models.hub import gated_steps

            lines.append(f"{args.model}: {gated_steps(args.model)}")
        print(json.dumps(info) if args.json else "\n".join(lines))
        return 0
    if args.action == "fetch":
        from .models import model_files

        def tell(size: int) -> None:
            if args.json:
                print(json.dumps({"download_bytes": size}), flush=True)
            else:
                print(f"{args.model}: {size / 1e6:.1f} MB, as far as it is not here yet", file=sys.stderr)

        model_files.locate(args.model, download=True, tell=tell)
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
