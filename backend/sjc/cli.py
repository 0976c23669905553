"""The command line: sjc generate | refine | texture | sharpen | batch | variants | resume | export | mcp | models ...

Exit status: 0; 1 for a model that fails a check; 2 for bad input, with one line that says what is wrong; 130 on Ctrl-C.
What the commands do stands in commands.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from . import __version__, causes, commands, settings
from .agents import command as agents
from .batch.address import is_address
from .commands import BAD_INPUT, INTERRUPTED, OUTPUTS
from .errors import SjcError
from .experiments import command as experiments
from .handover import command as handover
from .job.progress import JsonLines, mute
from .machine import streams, telemetry
from .machine.memory import large_pages
from .paths import local_path
from .variants import plan


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the wall of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = _Parser(prog="sjc", description="From a sentence to a coloured mesh, by Score Jacobian Chaining.")
    parser.add_argument("--version", action="version", version=f"sjc {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    generate = subparsers.add_parser("generate", help="make one object", description="Make one object.")
    generate.add_argument("prompt", help='what to make, e.g. "a red mushroom"')
    generate.add_argument("--out", type=_path, help="job folder [outputs/<prompt>-<seed>]")
    _add_common(generate)
    settings.add_arguments(generate)

    refine = subparsers.add_parser(
        "refine",
        help="go on from a result, or change its words",
        description="Go on from a finished result in a new job folder: more steps at low noise, or, with --prompt, "
        "other words, which change the colors and hold the shape. All other settings are those of the result.",
    )
    refine.add_argument("folder", type=_path, help="the job folder of the result")
    refine.add_argument("--prompt", help="other words; without them the result is refined")
    refine.add_argument("--out", type=_path, help="job folder [beside the result, <its name>-refined]")
    _add_common(refine)
    settings.add_arguments(refine, skip=("prompt", "preset", "start", "parent"))

    texture = subparsers.add_parser(
        "texture",
        help="texture a mesh",
        description="Paint a mesh that is there: a new texture, and UVs where it has no good ones.",
    )
    texture.add_argument("file", metavar="FILE.glb", help="the mesh")
    texture.add_argument("prompt", help='what to paint, e.g. "a red mushroom"')
    texture.add_argument("--out", type=_path, help="job folder [outputs/<prompt>-<seed>]")
    texture.add_argument("--strength", metavar="X", help="0 to 1: how much of the present colors to replace [1]")
    _add_common(texture)
    settings.add_arguments(
        texture,
        skip=(
            "prompt", "surface", "surface_strength", "sharpen_colors", "start", "start_strength", "keep", "picture",
            "parent",
        ),
    )  # fmt: skip

    sharpen = subparsers.add_parser(
        "sharpen",
        help="sharpen a result's colors",
        description="Paint a finished result's mesh again from its present colors, in a new job folder: for latent "
        "models, whose colors guidance exaggerates. All other settings are those of the result.",
    )
    sharpen.add_argument("folder", type=_path, help="the job folder of the result")
    sharpen.add_argument("--out", type=_path, help="job folder [beside the result, <its name>-sharpened]")
    sharpen.add_argument(
        "--strength", metavar="X", help="0 to 1: how freely the pictures are made that correct the colors [0.7]"
    )
    _add_common(sharpen)
    settings.add_arguments(
        sharpen,
        skip=(
            "prompt", "preset", "surface", "surface_strength", "sharpen_colors", "start", "start_strength", "keep",
            "picture", "parent",
        ),
    )  # fmt: skip

    batch = subparsers.add_parser(
        "batch",
        help="make many objects",
        description="Make many objects: one prompt, or one JSON object of settings, a line; '#' starts a comment. "
        "Started again, it goes on where it stopped.",
    )
    batch.add_argument("file", help="file of prompts, or - for standard input; with --grid also a prompt itself")
    batch.add_argument(
        "--out",
        type=_place,
        default=OUTPUTS,
        metavar="DIR",
        help="parent of the job folders, a folder or an address such as s3://bucket/results [outputs]",
    )
    batch.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="SETTING=VALUES",
        help="make every job with each of these values, such as seed=0..9 or guidance=1,2.5,7.5; given several times, "
        "every combination. A number alone is the setting grid, the voxels along each edge",
    )
    _add_cluster(batch)
    _add_common(batch)
    settings.add_arguments(batch, skip=("prompt", "grid"))

    variants = subparsers.add_parser(
        "variants",
        help="make several short variants of one object, to choose from",
        description="Make several short variants of one object, side by side: each a job that stops early, with a "
        "picture. sjc resume takes one to full length.",
    )
    variants.add_argument("prompt", help='what to make, e.g. "a red mushroom"')
    variants.add_argument("-n", "--count", type=int, default=4, metavar="N", help=f"how many, 1 to {plan.MOST} [4]")
    variants.add_argument("--out", type=_path, help="parent of the job folders [outputs/variants-<prompt>-<seed>]")
    variants.add_argument(
        "--clear",
        action="store_true",
        help="instead, remove the variants in the folder PROMPT that were not taken to full length",
    )
    _add_common(variants)
    settings.add_arguments(variants)

    resume = subparsers.add_parser(
        "resume", help="go on with an unfinished job", description="Go on with a stopped job."
    )
    resume.add_argument("folder", type=_path, help="its job folder")
    _add_common(resume)

    export = subparsers.add_parser(
        "export",
        help="hand a result over to other programs",
        description="Write the meshes of results as files for other programs: with fewer faces, levels of detail, in "
        "real size; and measure how they print.",
    )
    export.add_argument("folders", nargs="+", type=_path, metavar="DIR", help="job folders of results, or .glb files")
    export.add_argument("--out", type=_path, metavar="DIR", help="where the files go [DIR/export]")
    export.add_argument("--json", action="store_true", help="for machines")
    handover.add_arguments(export)

    mcp = subparsers.add_parser(
        "mcp",
        help="serve agents by the Model Context Protocol",
        description="Answer a program that speaks the Model Context Protocol, over standard input and output. It can "
        "make, list and export results below one folder, and nothing else.",
    )
    mcp.add_argument("--root", type=_path, required=True, metavar="DIR", help="the folder that nothing leaves")
    _add_offline(mcp)

    models = subparsers.add_parser("models", help="which models can be used", description="Which models can be used.")
    models.add_argument(
        "action",
        nargs="?",
        choices=("list", "info", "check", "fetch", "remove", "convert", "login"),
        default="list",
        help="list, info, check: measure whether a model works as it should and what it costs, fetch: download a hub "
        "model into the local model cache, remove: delete it there, convert: a .bin or .ckpt to safetensors, or "
        "login: give the hub's own client a token for gated models, read from standard input",
    )
    models.add_argument(
        "model",
        nargs="?",
        default="embedded",
        help="with info, check, fetch and remove: embedded, a folder, a checkpoint in one file, or a hub id, "
        "NAME/MODEL or NAME/MODEL@REVISION; with info also a LoRA; with convert: a file",
    )
    models.add_argument("--dry-run", action="store_true", help="with fetch: ask for size and licence only")
    models.add_argument("--yes", action="store_true", help="with remove: do not ask")
    models.add_argument(
        "--output", type=_path, metavar="DIR", help="with check: where the report goes [outputs/check-<model>]"
    )
    models.add_argument("--device", default="auto", help="with check: auto, cpu, cuda, cuda:N or mps [auto]")
    models.add_argument("--json", action="store_true", help="for machines")
    _add_offline(models)

    experiment = subparsers.add_parser(
        "experiment",
        help="measure a claim of the paper",
        description="One of the paper's two-dimensional experiments: cells, a page, a figure. Started again, it goes "
        "on.",
    )
    experiment.add_argument("name", help=f"{', '.join(experiments.NAMES)}; the others need the repository")
    experiment.add_argument(
        "--pictures", type=_path, metavar="DIR", help="the data: pictures like the model's [drawn discs]"
    )
    experiments.add_arguments(experiment)
    _add_offline(experiment)

    doctor = subparsers.add_parser("doctor", help="check this machine", description="Check this machine, line by line.")
    doctor.add_argument("--json", action="store_true", help="for machines")
    doctor.add_argument(
        "--compile", action="store_true", help="compile the renderer's kernels now, so that no job waits for them"
    )
    return parser


def _path(text: str) -> Path:
    try:
        return local_path(text)
    except SjcError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _place(text: str) -> Path | str:
    return text if is_address(text) else _path(text)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="events as JSON lines on standard output instead of a bar")
    _add_offline(parser)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("cluster", "Several jobs at once, by Ray (docs/cluster.md).")
    group.add_argument(
        "--cluster", metavar="ADDRESS", help="local: all GPUs of this computer; auto or HOST:PORT: a running cluster"
    )
    group.add_argument("--gpus-per-job", type=int, metavar="N", help="GPUs that each job reserves [1]")
    group.add_argument("--jobs-per-gpu", type=int, metavar="N", help="jobs that share a GPU [1]")
    group.add_argument(
        "--cpus-per-job", type=int, metavar="N", help="threads of each job where there is no GPU [2, or all there are]"
    )


def _add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="never touch the network; models must be here already")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    streams.never_fail()
    args = build_parser().parse_args(argv)
    large_pages()
    telemetry.switch_off()
    if getattr(args, "offline", False):
        from .models.hub import go_offline

        go_offline()
    run = {
        "generate": commands.generate,
        "refine": commands.refine,
        "texture": commands.texture,
        "sharpen": commands.sharpen,
        "batch": commands.batch,
        "variants": commands.variants,
        "resume": commands.resume,
        "export": handover.main,
        "mcp": agents.main,
        "models": commands.models,
        "experiment": experiments.main,
        "doctor": commands.doctor,
    }[args.command]
    try:
        status = run(args)
        sys.stdout.flush()  # here a reader that is gone is no error; at the interpreter's end it would be
        return status
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            mute(stream)
        return 0
    except KeyboardInterrupt:
        print("sjc: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        known = causes.in_one_line(error)
        if known is None:
            raise
        code, text = known
        if getattr(args, "json", False):
            JsonLines()({"type": "error", "code": code, "text": text})
        for line in text.splitlines():
            print(f"sjc: {line}", file=sys.stderr)
        return BAD_INPUT
