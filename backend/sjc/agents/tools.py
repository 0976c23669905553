"""The tools of the MCP server: each checks what it is given and starts a command of the command line."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import foreign, lora_text, picture_text, settings
from ..errors import SjcError
from ..handover.options import FORMATS, ORIGINS, Options
from ..job import folder as job_folder
from ..job import refine as job_refine
from ..paths import local_path
from ..settings import TEXTURE_EDGES, Settings
from ..variants import plan as variant_plan
from .arguments import Argument, checked
from .jobs import AgentJob, Jobs, command

OURS = {"prompt", "parent", "overwrite", "surface", "surface_strength", "sharpen_colors"}
"""Settings that no client gives as such: arguments stand for them, or nothing does."""
_HUB_ID = re.compile(r"embedded(-views)?|[\w-][\w.-]*/[\w-][\w.-]*(@[\w.-]+)?")
LISTED = 500
EXPORT_SECONDS = 600

Result = dict[str, Any]


@dataclass
class Desk:
    """Where a server works. root: the folder that nothing leaves, resolved. offline: no command uses the network."""

    root: Path
    jobs: Jobs
    offline: bool = False

    def inside(self, text: str, what: str = "folder") -> Path:
        """A path of the client's, relative to the root or absolute. Raises SjcError for one that leads out of it."""
        if set(text) & set("~$%\0"):
            raise SjcError(f"{what}: write {foreign.shown(text)} without ~ and variables.")
        path = foreign.resolved(self.root / local_path(text))
        if not path.is_relative_to(self.root):
            raise SjcError(f"{what}: {foreign.shown(text)} lies outside of {self.root}, where this server works.")
        return path

    def start(self, folder: Path, *words: str | Path) -> Result:
        """Begin a command as a job: its name, options, and what else it takes, which may begin with a dash."""
        options = ["--json", *(["--offline"] if self.offline else [])]
        return self.jobs.add(folder, [str(words[0]), *options, *map(str, words[1:])]).record()


def chosen(desk: Desk, prompt: str, given: Mapping[str, Any], **more: str) -> Settings:
    """The settings of a new job. Raises SjcError, one line, also for a path in them that leads out of the root."""
    check_names(given)
    resolved = settings.resolve_job({**given, **more, "prompt": prompt})
    check_paths(desk, resolved)
    return resolved


def check_names(given: Mapping[str, Any]) -> None:
    """Raises SjcError for settings that a client does not give."""
    for name in given:
        if name in OURS:
            raise SjcError(f"settings: {name} cannot be set here.")


def check_paths(desk: Desk, resolved: Settings) -> None:
    """Raises SjcError where a setting names a file outside of the root."""
    paths = {name: [getattr(resolved, name)] for name in ("start", "keep", "surface", "mv_adapter")}
    paths["lora"] = [str(lora.path) for lora in lora_text.parse(resolved.lora)]
    paths["picture"] = [path for path, _view in picture_text.split(resolved.picture)]
    for name in ("model", "control"):
        text = getattr(resolved, name)
        if not _HUB_ID.fullmatch(text) or foreign.kind(desk.root / text):
            paths[name] = [text]
    for name, texts in paths.items():
        for text in filter(None, texts):
            desk.inside(text, name)


def words_of(resolved: Settings) -> list[str]:
    """Settings as words of the command line, all of them, but for what the command itself says."""
    return settings.to_arguments(resolved, skip=OURS)


# ---------------------------------------------------------------------------------------------------------------- tools


def generate(desk: Desk, given: Mapping[str, Any]) -> Result:
    """One object."""
    resolved = chosen(desk, given["prompt"], given["settings"])
    folder = _free(desk, resolved)
    return desk.start(folder, "generate", "--out", folder, *words_of(resolved), "--", given["prompt"])


def refine(desk: Desk, given: Mapping[str, Any]) -> Result:
    """Go on from a result."""
    parent = desk.inside(given["folder"])
    check_names(given["settings"])
    resolved = job_refine.settings_of(parent, given["prompt"] or None, given["settings"])
    folder = job_refine.free_folder(parent, resolved, [job.folder for job in desk.jobs.all])
    check_paths(desk, resolved)
    words = [settings.to_argument(name, settings.coerce(name, value)) for name, value in given["settings"].items()]
    words += [f"--prompt={given['prompt']}"] if given["prompt"] else []
    return desk.start(folder, "refine", "--out", folder, *words, "--", parent)


def texture(desk: Desk, given: Mapping[str, Any]) -> Result:
    """Paint a mesh."""
    file = desk.inside(given["file"], "file")
    if not foreign.is_file(file):
        raise SjcError(f"file: {file} does not exist; give a .glb file.")
    resolved = chosen(desk, given["prompt"], given["settings"], surface=str(file))
    folder = _free(desk, resolved)
    words: list[str | Path] = ["--out", folder, f"--strength={given['strength']}", *words_of(resolved)]
    return desk.start(folder, "texture", *words, "--", file, given["prompt"])


def variants(desk: Desk, given: Mapping[str, Any]) -> Result:
    """Several short ones."""
    resolved = chosen(desk, given["prompt"], given["settings"])
    parent = variant_plan.free_parent(desk.root, resolved)
    folders = variant_plan.folders(parent, variant_plan.variants_of(resolved, given["count"]))
    words: list[str | Path] = ["--out", parent, f"--count={given['count']}", *words_of(resolved)]
    record = desk.start(parent, "variants", *words, "--", given["prompt"])
    return {**record, "variants": [str(folder) for folder in folders]}


def resume(desk: Desk, given: Mapping[str, Any]) -> Result:
    """Go on with what is unfinished."""
    folder = desk.inside(given["folder"])
    if job_folder.finished(folder):
        raise SjcError(f"{folder} is finished already.")
    job_folder.read_settings(folder)
    return desk.start(folder, "resume", folder)


def cancel(desk: Desk, given: Mapping[str, Any]) -> Result:
    """End a job."""
    job = _job(desk, given["folder"])
    desk.jobs.cancel(job)
    return job.record()


def status(desk: Desk, given: Mapping[str, Any]) -> Result:
    """How far jobs are."""
    if given["folder"]:
        return _job(desk, given["folder"]).record()
    return {"jobs": [job.record() for job in desk.jobs.all]}


def results(desk: Desk, _given: Mapping[str, Any]) -> Result:
    """The job folders below the root, newest first."""
    names = [path.parent for path in (*desk.root.glob("*/job.json"), *desk.root.glob("*/*/job.json"))]
    inside = [folder for folder in names if folder.resolve().is_relative_to(desk.root)]
    newest = sorted(inside, key=lambda folder: (folder / job_folder.JOB).stat().st_mtime, reverse=True)
    rows = []
    for folder in newest[:LISTED]:
        try:
            prompt = job_folder.read_settings(folder).prompt
        except SjcError:
            continue  # not a job's after all, or damaged
        state = "finished" if job_folder.finished(folder) else "unfinished"
        files = [name for name in job_folder.RESULTS if foreign.is_file(folder / name)]
        rows.append({"folder": str(folder), "prompt": prompt, "state": state, "files": files})
    return {"results": rows}


def export(desk: Desk, given: Mapping[str, Any]) -> Result:
    """Files for other programs."""
    folder = desk.inside(given["folder"])
    formats = tuple(word.strip() for word in given["format"].split(",") if word.strip())
    Options(formats, given["faces"], given["lods"], given["size"], given["origin"], texture=given["texture"])
    words: list[str | Path] = [folder, "--json", f"--format={given['format']}", f"--origin={given['origin']}"]
    words += [f"--{name}={given[name]}" for name in ("faces", "lods", "size", "texture")]
    words += [f"--{name.replace('_', '-')}" for name in ("print_report", "overwrite") if given[name]]
    done = subprocess.run(
        command("export", *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=EXPORT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise SjcError(lines[-1].removeprefix("sjc: ") if lines else f"The export ended with code {done.returncode}.")
    record: Result = json.loads(done.stdout.splitlines()[-1])
    return record


def _free(desk: Desk, resolved: Settings) -> Path:
    return job_folder.free_folder(desk.root, resolved, [job.folder for job in desk.jobs.all])


def _job(desk: Desk, text: str) -> AgentJob:
    folder = desk.inside(text)
    if (job := desk.jobs.newest(folder)) is None:
        raise SjcError(f"No job of this server works in {folder}; list names the results that are there.")
    return job


# ---------------------------------------------------------------------------------------------------------------- table

PROMPT = Argument("prompt", "text", 'What to make, e.g. "a red mushroom".')
FOLDER = Argument("folder", "text", "A job folder, absolute or relative to the server's root.")
SETTINGS = Argument(
    "settings", "settings", "Settings by name, such as seed, steps, preset, model; see docs/settings.md.", {}
)


@dataclass(frozen=True)
class Tool:
    """One tool: its words for the client, its arguments and what it does."""

    text: str
    arguments: tuple[Argument, ...]
    run: Callable[[Desk, Mapping[str, Any]], Result]


TOOLS = {
    "generate": Tool(
        "Make a colored mesh from a sentence. Begins a job and returns its folder.", (PROMPT, SETTINGS), generate
    ),
    "variants": Tool(
        "Make several short variants of one object, to choose from; resume takes one to full length.",
        (PROMPT, Argument("count", "whole", "How many.", 4, 1, variant_plan.MOST), SETTINGS),
        variants,
    ),
    "refine": Tool(
        "Go on from a finished result in a new folder: more steps, or other words, which change the colors.",
        (FOLDER, Argument("prompt", "text", "Other words; empty keeps them.", ""), SETTINGS),
        refine,
    ),
    "texture": Tool(
        "Paint a mesh that is there.",
        (
            Argument("file", "text", "A .glb file, absolute or relative to the server's root."),
            PROMPT,
            Argument("strength", "number", "How much of the present colors to replace.", 1.0, 0, 1),
            SETTINGS,
        ),
        texture,
    ),
    "resume": Tool("Go on with a stopped job, or take a variant to full length.", (FOLDER,), resume),
    "cancel": Tool("Stop a job; what it made stays and can be resumed.", (FOLDER,), cancel),
    "status": Tool(
        "State, step and problem of a job of this server, or of all.",
        (Argument("folder", "text", "Its job folder; empty for all jobs.", ""),),
        status,
    ),
    "list": Tool("Every result below the server's root, newest first.", (), results),
    "export": Tool(
        "Write a result's mesh as files for other programs, and measure how it prints.",
        (
            FOLDER,
            Argument("format", "text", f"One or several of {', '.join(FORMATS)}, with commas.", "glb"),
            Argument("faces", "whole", "About how many faces to keep; 0 for all.", 0, 0, 10_000_000),
            Argument("lods", "whole", "Further levels of detail, each with half the faces.", 0, 0, 8),
            Argument("size", "number", "Metres along the longest side; 0 keeps the volume's own.", 1.0, 0, 1e4),
            Argument("origin", "text", f"Where the origin is: {', '.join(ORIGINS)}.", "base"),
            Argument("texture", "whole", "Edge of a baked picture in texels; 0 for none.", 0, 0, TEXTURE_EDGES[1]),
            Argument("print_report", "flag", "Whether to measure walls and overhangs, too.", False),
            Argument("overwrite", "flag", "Whether to replace files that are there.", False),
        ),
        export,
    ),
}  # fmt: skip


def call(desk: Desk, name: str, given: Mapping[str, Any] | None) -> Result:
    """What a tool gives. Raises SjcError, one line, for an unknown tool and for bad arguments."""
    if name not in TOOLS:
        raise SjcError(f"{foreign.shown(name)} is unknown; there are {', '.join(TOOLS)}.")
    return TOOLS[name].run(desk, checked(name, TOOLS[name].arguments, given))
