"""The command line: sjc generate | batch | resume | models | experiment | doctor.

Exit 0, 2 for bad input (one line),
130 on Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn, Self

from . import __version__
from . import settings as schema
from .errors import SjcError
from .experiments import command as experiments
from .job.progress import Bar, JsonLines, Report
from .machine.memory import is_out_of_memory, large_pages

BAD_INPUT, INTERRUPTED = 2, 130
MEMORY_FULL = (
    "The memory is full. Close other programs, or lower --grid, --views-per-step or the model's size, then sjc "
    "resume what was "
    "begun."
)
OUTPUTS = Path("outputs")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the wall of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(prog="sjc", description="From a sentence to a coloured mesh, by Score Jacobian Chaining.")
    parser.add_argument("--version", action="version", version=f"sjc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    generate = commands.add_parser("generate", help="make one object", description="Make one object.")
    generate.add_argument("prompt", help='what to make, e.g. "a red mushroom"')
    generate.add_argument("--out", type=Path, help="job folder [outputs/<prompt>-<seed>]")
    _add_common(generate)
    schema.add_arguments(generate)

    batch = commands.add_parser(
        "batch",
        help="make many objects",
        description="Make many objects: one prompt, or one JSON object of settings, a line; '#' starts a comment. Started "
        "again, it goes on where it stopped.",
    )
    batch.add_argument("file", help="file of prompts, or - for standard input")
    batch.add_argument("--out", type=Path, default=OUTPUTS, help="parent of the job folders [outputs]")
    _add_common(batch)
    schema.add_arguments(batch)

    resume = commands.add_parser("resume", help="go on with an unfinished job", description="Go on with a stopped job.")
    resume.add_argument("folder", type=Path, help="its job folder")
    _add_common(resume)

    models = commands.add_parser("models", help="which models can be used", description="Which models can be used.")
    models.add_argument(
        "action",
        nargs="?",
        choices=("list", "info", "fetch", "remove", "convert"),
        default="list",
        help="list, info, fetch: download a hub model into the local model cache, remove: delete it there, or "
        "convert: a "
        ".bin to safetensors",
    )
    models.add_argument(
        "model",
        nargs="?",
        default="embedded",
        help="with info, fetch and remove: embedded, a folder, or a hub id, NAME/MODEL or NAME/MODEL@REVISION; with "
        "convert: "
        "a file",
    )
    models.add_argument("--dry-run", action="store_true", help="with fetch: ask for size and licence only")
    models.add_argument("--yes", action="store_true", help="with remove: do not ask")
    models.add_argument("--json", action="store_true", help="for machines")
    _add_offline(models)

    experiment = commands.add_parser(
        "experiment",
        help="measure a claim of the paper",
        description="One of the paper's two-dimensional experiments: cells, a page, a figure. Started again, it goes on.",
    )
    experiment.add_argument("name", help=f"{', '.join(experiments.NAMES)}; the others need the repository")
    experiment.add_argument(
        "--pictures", type=Path, metavar="DIR", help="the data: pictures like the model's [drawn discs]"
    )
    experiments.add_arguments(experiment)
    _add_offline(experiment)

    doctor = commands.add_parser("doctor", help="check this machine", description="Check this machine, line by line.")
    doctor.add_argument("--json", action="store_true", help="for machines")
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="events as JSON lines on standard output instead of a bar")
    _add_offline(parser)


def _add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="never touch the network; models must be here already")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    args = build_parser().parse_args(argv)
    large_pages()
    if getattr(args, "offline", False):
        from .models.hub import go_offline

        go_offline()
    run = {
        "generate": _generate,
        "batch": _batch,
        "resume": _resume,
        "models": _models,
        "experiment": experiments.main,
        "doctor": _doctor,
    }[args.command]
    try:
        return run(args)
    except SjcError as error:
        if getattr(args, "json", False):
            JsonLines()({"type": "error", "text": str(error)})
        for line in str(error).splitlines():
            print(f"sjc: {line}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("sjc: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print(f"sjc: {MEMORY_FULL}", file=sys.stderr)
        return BAD_INPUT


class _CtrlC:
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
        return self.asked


def _reporter(args: argparse.Namespace) -> Report:
    return JsonLines() if args.json else Bar()


def _settings(prompt: object, given: dict[str, object]) -> schema.Settings:
    settings = schema.resolve(None, {**given, "prompt": prompt})
    if not settings.prompt:
        raise SjcError('The prompt is empty; say what to make, e.g. "a red mushroom".')
    return settings


def run_job(folder: Path, settings: schema.Settings, report: Report, *, fresh: bool = True) -> dict[str, Any] | None:
    """Run a job to its end; None if Ctrl-C stopped it.

    A fresh one's folder is prepared when model, device and prompt have proved good: a mistyped word with --overwrite
    costs no result. The others go on from what the folder holds.
    """
    from .job.run import Job, Stopped, prepare_folder

    with _CtrlC() as stop:
        try:
            job = Job(folder, settings, report, stop)
            if fresh:
                job.load()
                prepare_folder(folder, settings)
            return job.run()
        except Stopped:
            return None
        finally:
            if isinstance(report, Bar):
                report.close()


def _finish(folder: Path, record: dict[str, Any] | None, quiet: bool) -> int:
    if record is None:
        print(f"sjc: stopped; go on with: sjc resume {folder}", file=sys.stderr)
        return INTERRUPTED
    if not quiet:
        for name in ("mesh.glb", "preview.png", "turntable.mp4"):
            if (folder / name).exists():
                print(folder / name)
    return 0


def _generate(args: argparse.Namespace) -> int:
    from .job import run as job

    settings = _settings(args.prompt, schema.overrides(args))
    folder = args.out or job.default_folder(settings, OUTPUTS)
    job.check_early(settings)
    job.check_folder(folder, settings)
    return _finish(folder, run_job(folder, settings, _reporter(args)), args.json)


def _resume(args: argparse.Namespace) -> int:
    from .job import run as job

    settings = job.read_settings(args.folder)
    if (args.folder / "run.json").exists():
        raise SjcError(
            f"{args.folder} is finished; nothing to resume. sjc generate with another --out makes a new one."
        )
    job.clear_unfinished(args.folder)
    return _finish(args.folder, run_job(args.folder, settings, _reporter(args), fresh=False), args.json)


def _batch_lines(name: str) -> list[tuple[int, str]]:
    """(line number in the file, text) of the lines that ask for something."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SjcError(f"{name} cannot be read as a list of prompts: {error}") from error
    numbered = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    if not lines:
        raise SjcError(f"{name} holds no prompt; write one a line.")
    return lines


def _batch(args: argparse.Namespace) -> int:
    """All lines are checked before the first job starts; a failing job does not stop the others."""
    from .job import run as job

    given = schema.overrides(args)
    jobs, problems = [], []
    for index, (number, line) in enumerate(_batch_lines(args.file), 1):
        try:
            own = json.loads(line) if line.startswith("{") else {"prompt": line}
            settings = _settings(own.pop("prompt", ""), {**given, **own})
            job.check_early(settings)
            jobs.append((args.out / f"{index:03d}-{job.slug(settings.prompt)}-{settings.seed}", settings))
        except (json.JSONDecodeError, RecursionError) as error:
            problems.append(f"line {number}: not a JSON object ({error})")
        except SjcError as error:
            problems.append(f"line {number}: {error}")
    if problems:
        raise SjcError("\n".join(problems))
    report, failed = _reporter(args), 0
    for index, (folder, settings) in enumerate(jobs, 1):
        report({"type": "status", "stage": "batch", "text": f"[{index}/{len(jobs)}] {settings.prompt} -> {folder}"})
        try:
            if not _batch_one(folder, settings, report):
                print(f"sjc: stopped; the same command goes on at {folder}", file=sys.stderr)
                return INTERRUPTED
        except SjcError as error:
            failed += 1
            report({"type": "error", "text": str(error), "folder": str(folder)})
            print(f"sjc: {folder}: {error}", file=sys.stderr)
    if failed:
        print(f"sjc: {failed} of {len(jobs)} jobs failed; the same command tries them again.", file=sys.stderr)
    return BAD_INPUT if failed else 0


def _batch_one(folder: Path, settings: schema.Settings, report: Report) -> bool:
    """Make, go on with, or pass over one job of a batch; False if Ctrl-C stopped it."""
    from .job import run as job

    same = (folder / "job.json").exists() and job.read_settings(folder) == replace(settings, overwrite=False)
    if same and (folder / "run.json").exists() and not settings.overwrite:
        report({"type": "status", "stage": "batch", "text": "already there"})
        return True
    fresh = not same or settings.overwrite
    if fresh:
        job.check_folder(folder, settings)
    else:
        job.clear_unfinished(folder)
    return run_job(folder, settings, report, fresh=fresh) is not None


def _models(args: argparse.Namespace) -> int:
    from .doctor import model_info, print_table
    from .models import model_list

    if args.action == "list":
        return model_list.show(args.json)
    if args.action == "remove":
        from .models.model_removal import remove

        freed = remove(args.model, yes=args.yes)
        print(json.dumps({"freed_bytes": freed}) if args.json else "kept" if freed is None else "removed")
        return 0
    if args.action == "convert":
        from .models.convert import convert

        written = convert(Path(args.model))
        print(json.dumps({"written": str(written)}) if args.json else f"{written} is written")
        return 0
    if args.action == "fetch" and args.dry_run:
        from .models import download_info

        found = asdict(download_info.ask(args.model))
        lines = [f"{k:<14} {v}" for k, v in found.items()]
        if found["gated"]:
            from .models.hub import gated_steps

            lines.append(f"{args.model}: {gated_steps(args.model)}")
        print(json.dumps(found) if args.json else "\n".join(lines))
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
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print_table(rows)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from .doctor import checks

    lines = checks()
    if args.json:
        print(json.dumps(lines, ensure_ascii=False))
    else:
        for line in lines:
            print(f"{'ok  ' if line['ok'] else 'FIX '} {line['name']:<9} {line['text']}")
    return 0 if all(line["ok"] for line in lines) else BAD_INPUT
