"""The window's tests: one Blender for all of a file, because a person too goes on where they are."""

import json
import shutil

import pytest

from tests.window.desk import Desk
from tools import package, window
from tools.common import ROOT
from tools.environment import Environment

PICTURES = ROOT / "build" / "window"


@pytest.fixture(scope="session")
def pictures():
    """An empty folder for what the camera takes."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    return PICTURES


@pytest.fixture(scope="module")
def desk(pictures):
    """The desk, with the extension installed and Blender open."""
    if reason := window.obstacle():
        pytest.skip(reason)
    folder = window.ensure()
    archive = package.build_zip()
    desk = Desk(folder, archive, pictures)
    try:
        desk.sit_down(archive)
        yield desk
        times = json.dumps({"blender": desk.version, "parts": desk.reports}, indent=1)
        (pictures / "times.json").write_text(times + "\n", "utf-8")
    finally:
        desk.stand_up()


@pytest.fixture(scope="module")
def panel(desk):
    """The desk, with the sidebar at the tab SJC and the project's environment chosen in the file browser."""
    desk.choose(Environment().python)
    return desk
