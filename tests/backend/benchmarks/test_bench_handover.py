"""`bench handover`: what its rows hold, and what its summary makes of them."""

import json

import numpy as np
import trimesh

from benchmarks import handover, report
from sjc.job import folder as job_folder
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from sjc.settings import resolve_job


def row(triangles, faces, quads, seconds, problem=None):
    own = {"seconds": seconds, "problem": problem}
    if problem is None:
        own |= {"way": "quadriflow", "faces": faces, "quads": quads, "parts": ["red"]}
    return {
        "prompt": "a red pill", "dense": 20_000, "target": 1000, "triangles": triangles, "export_s": 3.0, "bake_s": 2.0,
        "bytes": {"glb": 400_000, "glb_baked": 900_000, "fbx": None}, "quads": own, "notes": [],
    }  # fmt: skip


def test_the_summary_takes_the_worst_of_faces_and_the_middle_of_seconds():
    rows = [row(1000, 950, 1.0, 4.0), row(990, 1200, 0.9, 6.0), row(700, 0, 0.0, 9.0, "it failed")]
    assert handover.summarise(rows) == {
        "triangles_off": 0.3, "quads_off": 0.2, "quads_share": 0.9, "ways": ["quadriflow"], "failed": 1,
        "bake_s": 2.0, "quads_s": 5.0, "glb_baked_mb": 0.9,
    }  # fmt: skip
    shown = handover.text({"rows": rows})
    assert "90%" in shown
    assert "failed" in shown
    assert handover.summarise(rows[2:])["quads_share"] is None


def test_a_row_of_triangles(tmp_path, monkeypatch):
    monkeypatch.setattr(handover, "TEXTURE", 256)
    ball = trimesh.creation.icosphere(3, 0.5)
    colors = np.full((len(ball.vertices), 3), 0.4, np.float32)
    job_folder.write_settings(tmp_path, resolve_job({"prompt": "a pill", "preset": "test"}))
    write_glb(tmp_path / "mesh.glb", Mesh(ball.vertices.astype(np.float32), ball.faces.astype(np.int32), colors))
    made = handover.triangles(tmp_path, "a pill", 200, tmp_path / "out")
    assert (made["dense"], made["target"]) == (1280, 200)
    assert 180 <= made["triangles"] <= 200
    assert made["bytes"]["glb_baked"] > made["bytes"]["glb"] > 0
    assert set(made["bytes"]) == {"glb", "obj", "stl", "3mf", "glb_baked", "glb_dense"}


def test_the_record_says_what_the_docs_quote():
    record = json.loads((report.RESULTS / "handover.json").read_text("utf-8"))
    assert record["summary"] == handover.summarise(record["rows"])
    assert len({row["prompt"] for row in record["rows"]}) == 4
    page = (report.ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert handover.text(record) in page
