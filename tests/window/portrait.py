"""`python3 -m tests.window.portrait [NAME ...]`: the documentation's pictures, taken in a Blender with a window.

    film    docs/images/sentence_to_mesh.webp   a prompt becomes a volume becomes a mesh
    panel   docs/images/panel.png               the whole window, a job paused on its way
    guide   docs/images/guide-*.png             what docs/for-artists.md speaks of, cut out of the window
    start   docs/images/guide-*.png             the same of block-outs, variants, other words and reference pictures
    preferences  docs/images/guide-*.png        the same of the prompt bar and the preferences
    quads   docs/images/quads.webp              a result, its quads, its parts and its baked copy; needs no window

Without a name all of them are made. They need what the window's tests need: Debian, and the root account.
"""

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import package, window
from tools.common import ROOT, BuildError
from tools.environment import Environment

IMAGES = ROOT / "docs" / "images"
NAMES = ("film", "panel", "guide", "start", "preferences", "quads")
CHAIR = "a blue chair with a yellow seat"


@contextlib.contextmanager
def seated(size=None):
    """A desk with Blender open and the extension on; everything has ended afterwards."""
    from tests.window.desk import HEIGHT, WIDTH, Desk

    archive = package.build_zip()
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(window.ensure(), archive, Path(folder), size or (WIDTH, HEIGHT))
        try:
            desk.sit_down(archive)
            yield desk
        finally:
            desk.stand_up()


def ready(desk):
    """Give the desk the project's own environment as its backend."""
    desk.ask(f"bpy.ops.sjc.use_python(filepath={str(Environment().python)!r})")
    desk.wait_for("bpy.context.window_manager.sjc.backend_state == 'ready'", "the doctor's answer")


def film():
    """The animation."""
    from tests.window import film as scenes

    with seated(scenes.SIZE) as desk:
        ready(desk)
        return [scenes.make(desk, IMAGES / "sentence_to_mesh.webp")]


def panel():
    """The whole window."""
    from tests.window import guide

    with seated() as desk:
        ready(desk)
        return [guide.window_at_work(desk, IMAGES / "panel.png")]


def guide():
    """The cut-outs of the artists' guide."""
    from tests.window import guide as shots

    with seated(shots.SIZE) as desk:
        return shots.make(desk, IMAGES, lambda: ready(desk))


def start():
    """The cut-outs of starting from what is there."""
    from tests.window import guide_start

    with seated(guide_start.SIZE) as desk:
        ready(desk)
        return guide_start.make(desk, IMAGES)


def preferences():
    """The cut-outs of what is not in the panel."""
    from tests.window import guide_preferences

    with seated(guide_preferences.SIZE) as desk:
        ready(desk)
        return guide_preferences.make(desk, IMAGES)


def quads():
    """The picture of what becomes of a mesh, rendered by a Blender without a window."""
    import PIL.Image

    from tests.blender import venvs
    from tools.stage import stage

    stage()
    with tempfile.TemporaryDirectory() as name:
        job, picture = Path(name) / "job", Path(name) / "quads.png"
        subprocess.run([sys.executable, "-m", "sjc", "generate", CHAIR, "--out", str(job)], check=True)
        given = {
            "stage": str(ROOT / "build" / "stage"),
            "mesh": str(job / "mesh.glb"),
            "name": CHAIR,
            "picture": str(picture),
        }
        program = Path(__file__).with_name("quads.py")
        subprocess.run([venvs.ensure_bpy(), str(program), json.dumps(given)], check=True)
        with PIL.Image.open(picture) as image:
            image.convert("RGB").save(IMAGES / "quads.webp", quality=80, method=6)
        return [IMAGES / "quads.webp"]


def main(arguments):
    """Make the named pictures and print where they are -> exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.window.portrait", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; without one: all")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"{', '.join(unknown)}: unknown; there are {', '.join(NAMES)}")
    if importlib.util.find_spec("PIL") is None:  # a system's Python: the project's own has what is needed
        command = [str(Environment().ensure()), "-m", "tests.window.portrait", *names]
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    if names != ["quads"] and (reason := window.obstacle()):
        print(reason, file=sys.stderr)
        return 2
    for name in names or NAMES:
        makers = {
            "film": film, "panel": panel, "guide": guide, "start": start, "preferences": preferences, "quads": quads,
        }  # fmt: skip
        for path in makers[name]():
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(str(error))
