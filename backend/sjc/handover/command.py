"""`sjc export`: its words, and one run. Light at the top: the command line starts without numpy and torch."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SjcError
from ..job import folder as job_folder
from ..machine.streams import as_json
from .options import FORMATS, MOST_LODS, ORIGINS, PER_METRE, Options

SHEET = "sheet.png"

if TYPE_CHECKING:
    from .export import Exported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `sjc export DIR`, without where the files go."""
    parser.add_argument(
        "--format", default="glb", metavar="LIST", help=f"one or several of {', '.join(FORMATS)}, with commas [glb]"
    )
    parser.add_argument("--faces", type=int, default=0, metavar="N", help="about how many faces to keep [all]")
    parser.add_argument(
        "--lods",
        type=int,
        default=0,
        metavar="N",
        help=f"further levels of detail, each with half the faces, up to {MOST_LODS} [0]",
    )
    parser.add_argument(
        "--size", type=float, default=1.0, metavar="METRES", help="the longest side; 0 keeps the volume's own [1]"
    )
    parser.add_argument("--origin", default="base", choices=ORIGINS, help="where the origin is [base]")
    parser.add_argument(
        "--unit", default="", choices=tuple(PER_METRE), help="of formats that state none [obj: m, stl: mm]"
    )
    parser.add_argument(
        "--texture", type=int, default=0, metavar="N", help="bake the colors into a picture of N x N texels [none]"
    )
    parser.add_argument(
        "--bake-normals", action="store_true", help="with --texture: the dense mesh's normals as a normal map (glTF)"
    )
    parser.add_argument(
        "--bake-ao", action="store_true", help="with --texture: its ambient occlusion as a picture (glTF)"
    )
    parser.add_argument("--print-report", action="store_true", help="measure walls and overhangs, too")
    parser.add_argument("--sheet", action="store_true", help="also a sheet with a picture of every result")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def main(args: argparse.Namespace) -> int:
    """sjc export: the meshes of results as files for other programs. Raises SjcError."""
    options = Options(
        formats=tuple(dict.fromkeys(word.strip().lower() for word in args.format.split(",") if word.strip())),
        faces=args.faces,
        lods=args.lods,
        size=args.size,
        origin=args.origin,
        unit=args.unit,
        texture=args.texture,
        bake_normals=args.bake_normals,
        bake_ao=args.bake_ao,
        report=args.print_report,
        overwrite=args.overwrite,
    )
    from .export import export

    problems = 0
    for source in args.folders:
        out = args.out / source.name if args.out and len(args.folders) > 1 else args.out
        try:
            exported = export(source, options, out)
        except SjcError as error:
            if len(args.folders) == 1:
                raise
            problems += 1  # one that fails does not stop the others
            print(f"sjc: {source}: {error}", file=sys.stderr)
            continue
        show(source, exported, args.json)
    if args.sheet:
        _write_sheet(args.out or Path(), args.folders)
    return 2 if problems else 0


def _write_sheet(out: Path, sources: list[Path]) -> None:
    """sheet.png: a picture of every result, with the name of its folder."""
    from ..output.tiles import write_sheet

    if not write_sheet(out / SHEET, [(source.name, source / job_folder.PREVIEW) for source in sources]):
        raise SjcError("None of these folders has a preview.png to show on a sheet.")
    print(out / SHEET)


def show(source: Path, exported: Exported, as_lines: bool) -> None:
    """The files, and the report where there is one."""
    if as_lines:
        print(as_json(record(source, exported)), flush=True)
        return
    for note in exported.notes:
        print(f"sjc: {source}: {note}", file=sys.stderr)
    for file in exported.files:
        print(file)
    if exported.report:
        print(exported.report.text())


def record(source: Path, exported: Exported) -> dict[str, Any]:
    """What was made, as JSON values."""
    return {
        "folder": str(source),
        "files": [str(file) for file in exported.files],
        "faces": exported.faces,
        "notes": exported.notes,
        "print": asdict(exported.report) if exported.report else None,
    }
