"""One result as files for other programs: fewer faces, levels of detail, real size, the origin where it stands.

The dense mesh stays what it is. Reduced ones take their colours from it: at their vertices, or as a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import foreign
from ..errors import SjcError
from ..job import folder as job_folder
from ..job.texture_run import read
from ..output.decimate import decimated
from ..output.glb import write_glb
from ..output.measures import is_closed
from ..output.mesh import Mesh
from ..output.obj import obj_files, write_obj
from ..output.stl import write_stl
from ..output.texture import textured, weld
from ..output.three_mf import write_3mf
from .closest import Closest
from .detail import Detail
from .options import PER_METRE, Options
from .printing import PrintReport, print_report

FOLDER = "export"
FEWEST = 12


@dataclass(frozen=True)
class Exported:
    """What was written. faces: of each level. notes: a line for each wish that could not be met."""

    files: list[Path]
    faces: list[int]
    report: PrintReport | None
    notes: list[str]


def export(source: Path, options: Options, out: Path | None = None) -> Exported:
    """Write the mesh of a finished job folder, or of a .glb file, into `out`, by default `export` beside it.

    Raises SjcError, one line, for a folder without a result, a mesh that cannot be read, and, unless the options say
    `overwrite`, for files that are there already.
    """
    path, name = _mesh_of(source)
    mesh = read(path)
    out = out or path.parent / FOLDER
    stem = job_folder.slug(name)
    levels, notes = _levels(mesh, options)
    placement = placement_of(mesh, options)
    written: list[tuple[Path, Callable[[], None]]] = []
    files: list[Path] = []
    for number, level in enumerate(levels):
        target = out / (stem if number == 0 else f"{stem}-lod{number}")
        for ending in options.formats:
            file = Path(f"{target}.{ending}")
            written.append((file, _writer(file, ending, placement(level), options, name)))
            files += obj_files(file, level) if ending == "obj" else [file]
    taken = [file for file in files if foreign.kind(file)]
    if taken and not options.overwrite:
        raise SjcError(f"{taken[0]} exists already; add --overwrite to replace it, or choose another --out.")
    for _, write in written:
        write()
    report = print_report(scaled(placement(levels[0]), PER_METRE["mm"])) if options.report else None
    return Exported(files, [len(level.faces) for level in levels], report, notes)


def _mesh_of(source: Path) -> tuple[Path, str]:
    """The file of a source's mesh, and what to call it."""
    if foreign.is_folder(source):
        settings = job_folder.read_settings(source)
        if not foreign.is_file(source / job_folder.MESH):
            raise SjcError(f"{source} has no mesh yet; finish it with sjc resume {source} first.")
        return source / job_folder.MESH, settings.prompt
    if not foreign.is_file(source):
        raise SjcError(f"{source} does not exist; give a job folder or a .glb file.")
    return source, source.stem


def _levels(mesh: Mesh, options: Options) -> tuple[list[Mesh], list[str]]:
    """The mesh with the faces asked for, and its levels of detail, each with half the faces of the one before."""
    first, position = weld(mesh.vertices)  # the seams of a texture are no rims
    points, corners = mesh.vertices[first].astype(np.float64), position[mesh.faces].astype(np.int64)
    whole = len(corners)
    closest = Closest(mesh)
    detail = Detail(mesh, closest, options.bake_ao) if options.bakes else None
    levels: list[Mesh] = []
    notes: list[str] = []
    for number in range(options.lods + 1):
        goal = max(FEWEST, (options.faces or whole) >> number)
        if goal < len(corners):
            points, corners = decimated(points, corners, goal)
        if number == 0 and not is_closed(corners):
            notes.append("The surface is open, so it cannot be printed as it is.")
        if len(corners) > 1.2 * goal + 16:
            notes.append(f"{len(corners)} faces are left, not {goal}: fewer would tear the surface.")
        if levels and len(corners) == len(levels[-1].faces):
            notes.append(f"Level {number} is left out: it has the faces of the one before.")
            break
        if len(corners) == whole and not options.texture:
            levels.append(mesh)
            continue
        vertices = points.astype(np.float32)
        reduced = Mesh(vertices, corners.astype(np.int32), closest.colors(vertices))
        level = textured(reduced, options.texture, closest.colors) if options.texture else reduced
        levels.append(detail.baked(level, options.bake_normals, options.bake_ao) if detail else level)
    return levels, notes


def placement_of(mesh: Mesh, options: Options) -> Callable[[Mesh], Mesh]:
    """What brings a mesh, and its levels with it, into metres: to the size and the origin that the options say."""
    low, high = mesh.vertices.min(0).astype(np.float64), mesh.vertices.max(0).astype(np.float64)
    factor = options.size / max(float((high - low).max()), 1e-12) if options.size else 1.0
    middle = (low + high) / 2
    origin = {"base": np.array([middle[0], middle[1], low[2]]), "center": middle, "keep": np.zeros(3)}[options.origin]
    return lambda level: replace(level, vertices=((level.vertices - origin) * factor).astype(np.float32))


def scaled(mesh: Mesh, factor: float) -> Mesh:
    """The mesh with other units."""
    return replace(mesh, vertices=mesh.vertices * np.float32(factor))


def _writer(path: Path, ending: str, mesh: Mesh, options: Options, name: str) -> Callable[[], None]:
    """Writes one file, in the unit that its format has, or that the options give it."""
    unit = scaled(mesh, PER_METRE[options.unit_of(ending)])
    return {
        "glb": lambda: write_glb(path, unit, name),
        "obj": lambda: write_obj(path, unit, name),
        "stl": lambda: write_stl(path, unit),
        "3mf": lambda: write_3mf(path, unit, name),
    }[ending]
