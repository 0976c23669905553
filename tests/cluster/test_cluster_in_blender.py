"""Batch on Cluster, pressed in Blender and waited for: real Ray, real jobs, and their meshes in the scene."""

import sys

import pytest

from tests.blender.conftest import bpy_python, in_blender, ui  # noqa: F401 (fixtures)
from tests.soak import cluster as soak

pytest.importorskip("ray", reason="Ray is not installed: python3 build.py cluster")


@pytest.fixture
def address(monkeypatch):
    """That of a cluster with one slot beside the head."""
    for name, value in soak.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with soak.nodes(1) as made:
        yield made.address


@pytest.mark.timeout(400)
def test_a_text_becomes_meshes_on_a_cluster(ui, address):  # noqa: F811
    """A Blender without a window waits for both; each result comes in."""
    got = ui(
        """
text = bpy.data.texts.new("objects")
text.write('{"prompt": "a red cube", "preset": "test"}\\n{"prompt": "a blue cone", "preset": "test", "steps": 3}\\n')
user_preferences.cluster_address = lambda: given["address"]
bpy.ops.sjc.batch_on_cluster(text="objects")
records = list(api.queue().jobs)
result = {
    "ended": [[record.state.value, record.problem.text if record.problem else ""] for record in records],
    "meshes": sorted(item["prompt"] for item in bpy.data.objects if item.type == "MESH"),
    "files": [(record.folder / "mesh.glb").exists() and (record.folder / "run.json").exists() for record in records],
}
api.close()
""",
        address=address,
        backend=sys.executable,
    )
    assert got["ended"] == [["finished", ""], ["finished", ""]]
    assert got["meshes"] == ["a blue cone", "a red cube"]
    assert got["files"] == [True, True]
