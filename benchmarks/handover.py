"""What a result becomes for other programs: faces asked for and got, quads, baked pictures, sizes of the files.

Four results are made as `sjc generate` makes them, once. Each is reduced to several numbers of faces: to triangles with
a texture, a normal map and ambient occlusion as `sjc export` does it, and to quads as `api.remesh` does it, in a
background Blender of the bpy wheel. Bakes are timed by the processor's clock, as they run on one thread; quads by the
wall's, from the call to the object in the scene, with the start of Blender.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import quality, report
from sjc.errors import SjcError
from sjc.handover.export import export
from sjc.handover.options import Options
from sjc.settings import Settings, validate
from tests.blender import venvs

PROMPTS = ("a red mushroom", "a blue chair with a yellow seat", "a green car", "a white house with a red roof")
FACES, QUICK_FACES = (4000, 1000), (1000,)
TEXTURE = 1024
FORMATS = ("glb", "obj", "stl", "3mf")
Row = dict[str, Any]

SCRIPT = """
import json, os, sys, time, traceback
code = 1
try:
    stage, folder, wanted = sys.argv[1:]
    sys.path.insert(0, stage)
    from pathlib import Path
    import bpy
    bpy.ops.wm.read_factory_settings(use_empty=True)
    from sjc_blender import remeshing
    from sjc_blender.scene import meshes
    folder, rows = Path(folder), []
    for name, faces in json.loads(wanted):
        target = meshes.import_mesh(folder / f"{name}.glb", name=name, location=(0, 0, 0))
        began = time.perf_counter()
        work = remeshing.remesh(target, faces, block=True)
        row = {"name": name, "target": faces, "seconds": time.perf_counter() - began, "problem": work.error}
        row |= {key: work.report[key] for key in ("way", "faces", "quads", "parts") if key in work.report}
        for ending in ("fbx", "usdc"):
            made = work.result and remeshing.export(work.result, folder / f"{name}-{faces}.{ending}", block=True)
            row[ending] = os.path.getsize(made.result) if made and made.result else None
        rows.append(row)
    (folder / "quads.json").write_text(json.dumps({"blender": bpy.app.version_string, "rows": rows}))
    code = 0
except BaseException:
    traceback.print_exc()
sys.stderr.flush()
os._exit(code)
"""


def benchmark(settings: Settings, cache: Path, quick: bool) -> dict[str, Any]:
    """{"device", "texture", "summary", "rows"}: one row for each result and number of faces."""
    parent = quality.cache_folder(cache, quality.identity(settings))
    chosen, targets = (PROMPTS[:1], QUICK_FACES) if quick else (PROMPTS, FACES)
    folders = [quality.obtain(validate(replace(settings, prompt=prompt)), parent)[0] for prompt in chosen]
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        out = Path(name)
        rows = [
            triangles(folder, prompt, target, out / f"{number}-{target}")
            for number, (folder, prompt) in enumerate(zip(folders, chosen, strict=True))
            for target in targets
        ]
        for number, folder in enumerate(folders):
            (out / f"result{number}.glb").write_bytes((folder / "mesh.glb").read_bytes())
        made = quads(out, [(f"result{number}", target) for number in range(len(chosen)) for target in targets])
    for row, own in zip(rows, made["rows"], strict=True):
        row["bytes"] |= {"fbx": own.pop("fbx"), "usdc": own.pop("usdc")}
        row["quads"] = {key: value for key, value in own.items() if key not in ("name", "target")}
    return {"device": f"cpu, bpy {made['blender']}", "texture": TEXTURE, "summary": summarise(rows), "rows": rows}


def triangles(folder: Path, prompt: str, target: int, out: Path) -> Row:
    """One result with that many triangles: what came of it, the seconds, and the bytes of each format."""
    plain = Options(faces=target, texture=TEXTURE, formats=FORMATS)
    began = time.process_time()
    made = export(folder, plain, out / "plain")
    between = time.process_time()
    with_maps = replace(plain, bake_normals=True, bake_ao=True)
    baked = export(folder, with_maps, out / "baked")
    ended = time.process_time()
    sizes = {path.suffix[1:]: path.stat().st_size for path in made.files if path.suffix[1:] in FORMATS}
    dense = export(folder, Options(), out / "dense")
    return {
        "prompt": prompt,
        "dense": dense.faces[0],
        "target": target,
        "triangles": made.faces[0],
        "export_s": round(between - began, 2),
        "bake_s": round(ended - between - (between - began), 2),
        "bytes": sizes | {"glb_baked": baked.files[0].stat().st_size, "glb_dense": dense.files[0].stat().st_size},
        "notes": made.notes,
    }


def quads(folder: Path, wanted: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """{"blender", "rows"}: quads of the meshes in a folder, made in a background Blender one after the other."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [venvs.ensure_bpy(), "-c", SCRIPT, report.ROOT / "build" / "stage", folder, json.dumps(wanted)],
        env={**environment, "BLENDER_USER_RESOURCES": str(folder / "home"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SjcError(f"Blender failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    answer: dict[str, Any] = json.loads((folder / "quads.json").read_text("utf-8"))
    return answer


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Over all rows: how near the faces came, how many are quads, medians of seconds; what failed."""
    whole = [row for row in rows if row["quads"]["problem"] is None]
    off = [abs(row["triangles"] / row["target"] - 1) for row in rows]
    quads_off = [abs(row["quads"]["faces"] / row["target"] - 1) for row in whole]
    return {
        "triangles_off": round(max(off), 3),
        "quads_off": round(max(quads_off), 3) if whole else None,
        "quads_share": round(min(row["quads"]["quads"] for row in whole), 3) if whole else None,
        "ways": sorted({row["quads"]["way"] for row in whole}),
        "failed": len(rows) - len(whole),
        "bake_s": round(statistics.median(row["bake_s"] for row in rows), 1),
        "quads_s": round(statistics.median(row["quads"]["seconds"] for row in whole), 1) if whole else None,
        "glb_baked_mb": round(statistics.median(row["bytes"]["glb_baked"] for row in rows) / 1e6, 2),
    }


def text(record: report.Record) -> str:
    """The result as a table; sizes in kB."""
    formats = ("glb_dense", "glb", "glb_baked", "obj", "stl", "3mf", "fbx", "usdc")
    names = [name.replace("_", ", ") for name in formats]
    lines = [
        ["result", "dense", "asked for", "triangles", "bake s", "quads", "of them quads", "way", "quads s", *names]
    ]
    for row in record["rows"]:
        own = row["quads"]
        made = [str(own.get("faces", "-")), f"{own['quads']:.0%}" if "quads" in own else "-", own.get("way", "failed")]
        sizes = (row["bytes"].get(name) for name in formats)
        lines.append(
            [
                row["prompt"], f"{row['dense']:,}", str(row["target"]), str(row["triangles"]), f"{row['bake_s']:.1f}",
                *made, f"{own['seconds']:.1f}", *(f"{size / 1000:,.0f}" if size else "-" for size in sizes),
            ]
        )  # fmt: skip
    return report.table(lines)
