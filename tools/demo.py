"""`build.py demo`: the main job on the embedded model, ending in Blender where its module can be had."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

from . import package, system
from .common import ROOT, BuildError, run, say, typed
from .environment import Environment

PROMPT = "a red mushroom"
FOLDER = Path("outputs", "demo")
# What a finished demo leaves behind, in the order in which it is shown; the last two only where Blender's module runs.
RESULTS = ("mesh.glb", "preview.png", "turntable.mp4", "demo.blend", "demo.png")
SAMPLES = 48


def split(words: list[str]) -> tuple[str, list[str]]:
    """(prompt, options of sjc generate) of the command line's rest."""
    if words and not words[0].startswith("-"):
        return words[0], words[1:]
    return PROMPT, words


def demo(arguments: argparse.Namespace) -> int:
    """Set up, make the prompt, print where the results are."""
    prompt, options = split(arguments.rest)
    python = Environment().ensure()
    try:
        blender = _blender()
    except (BuildError, RuntimeError) as error:
        say(f"demo: without Blender ({error})")
        blender = None
    code = _in_blender(blender, python, prompt, options) if blender else _in_shell(python, prompt, options)
    if code != 0:
        return code
    folder = ROOT / FOLDER
    missing = [name for name in RESULTS[:2] if not (folder / name).is_file()]
    if missing:
        raise BuildError(f"the job ended without {' and '.join(missing)}: see {FOLDER / 'run.json'}.")
    say("")
    for name in RESULTS:
        if (folder / name).is_file():
            say(f"{name:14} {folder / name}")
    return 0


def _blender() -> Path:
    """The Python of an environment with bpy. Raises BuildError or RuntimeError where there can be none."""
    missing = set(system.ensure_packages()) & set(system.LIBRARIES.values())
    if missing:
        raise BuildError(f"system libraries are missing: {' '.join(sorted(missing))}")
    script = ROOT / "tests" / "blender" / "venvs.py"
    spec = importlib.util.spec_from_file_location("venvs", script)
    assert spec is not None
    assert spec.loader is not None
    venvs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(venvs)
    return venvs.ensure_bpy()


def _in_shell(python: Path, prompt: str, options: list[str]) -> int:
    command = [python, "-m", "sjc", "generate", prompt, *options, "--out", FOLDER, "--overwrite"]
    say(f"demo: {typed(['sjc', *command[3:]])}")
    return run(command)


def _in_blender(blender: Path, python: Path, prompt: str, options: list[str]) -> int:
    """Through the built zip and the API, as an artist's script would."""
    settings = _settings(python, options)
    archive = package.build_zip()
    folder = ROOT / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="sjc-demo-"))
    given = {
        "archive": str(archive),
        "python": str(python),
        "prompt": prompt,
        "settings": {**settings, "overwrite": True},
        "folder": str(folder),
        "home": str(home),
        "blend": str(folder / "demo.blend"),
        "picture": str(folder / "demo.png"),
        "samples": SAMPLES,
    }
    (home / "demo.json").write_text(json.dumps(given), "utf-8")
    for name in RESULTS[3:]:
        (folder / name).unlink(missing_ok=True)
    say(f"demo: api.generate({prompt!r}) in Blender, from {archive.relative_to(ROOT)}")
    try:
        return run([blender, ROOT / "tools" / "demo_scene.py", home / "demo.json"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _settings(python: Path, options: list[str]) -> dict[str, object]:
    """Command-line options as settings by name. Raises BuildError with what sjc says of bad ones."""
    import subprocess

    code = (
        "import json, sys; from sjc import cli, settings; from sjc.errors import SjcError\n"
        "args = cli.build_parser().parse_args(['generate', 'x', *sys.argv[1:]])\n"
        "print(json.dumps(settings.overrides(args)))"
    )
    done = subprocess.run([python, "-c", code, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError((done.stderr.strip().splitlines() or ["bad options"])[-1])
    settings: dict[str, object] = json.loads(done.stdout)
    settings.pop("prompt", None)
    return settings
