"""What the add-on costs Blender's main thread: one snapshot shown, and turns of the timer, also with a long queue.

Each Blender runs in a process of its own, in its wheel. A snapshot costs the call that shows it and then Blender's own
update of the scene, which reads the file's grids; a wheel has no viewport, so drawing is not in it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from sjc.errors import SjcError
from sjc.output.vdb import write_live_vdb
from tests.blender import venvs

SIZES = (100, 200)
REPEATS, TICKS = 9, 500

SCRIPT = """
import json, os, platform, sys, time, traceback
code = 1
try:
    stage, folder, repeats, ticks, answer = sys.argv[1:]
    sys.path.insert(0, stage)
    from pathlib import Path
    import bpy, numpy
    bpy.ops.wm.read_factory_settings(use_empty=True)
    folder = Path(folder)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "bench.blend"))  # the queue's memory lies beside it
    from sjc_blender import session
    from sjc_blender.scene import volumes

    def clock():
        return time.perf_counter(), time.thread_time()

    def since(before):
        return [1000 * (b - a) for a, b in zip(before, clock())]

    def long_queue(count):
        # Turns of a queue of 300: one in which a job changes and the list is saved, one in which a job ends.
        import sjc_blender
        from sjc_blender.backend.sjc.job.folder import write_settings
        from sjc_blender.backend.sjc.settings import resolve
        from sjc_blender.queue.records import JobRecord, State

        sjc_blender.register()
        queue = session.queue()
        for n in range(300):
            chosen = resolve("test", {"prompt": f"object {n}", "seed": n})
            queue.jobs.append(JobRecord(chosen, folder / "sjc" / f"job-{n}", state=State.STOPPED))
            queue.jobs[-1].folder.mkdir(parents=True)
            write_settings(queue.jobs[-1].folder, chosen)
        rows = {"save": [], "end": []}
        for n in range(-3, count):
            record = queue.jobs[7 * n % 300]
            for kind in rows:
                record.text = f"{kind} {n}"
                queue._changed = True
                if kind == "end":
                    queue._events += [(record, {"type": "status"}), (record, {"type": "done", "state": "stopped"})]
                before = clock()
                session.turn()
                if n >= 0:  # the first ones fill the panel and the file
                    rows[kind].append(since(before))
                queue.flush()
        queue.jobs.clear()
        return rows

    result = {"snapshots": {}}
    for kind in sorted(path.parent.name for path in folder.glob("*/f_0001.vdb")):
        rows = []
        for n in range(1, int(repeats) + 2):
            path = folder / kind / f"f_{n:04d}.vdb"
            path.read_bytes()  # it was written a moment ago, so the system has it in memory
            before = clock()
            volumes.show_snapshot(kind, path, name=kind, location=(0, 0, 0))
            call = since(before)
            before = clock()
            bpy.context.view_layer.update()
            rows.append({"call": call, "update": since(before)})
        result["snapshots"][kind] = rows[1:]  # the first makes the object and its material
        bpy.data.objects.remove(volumes.find(kind))
    volumes.show_snapshot("idle", path, name="idle", location=(0, 0, 0), make_again=True)
    session.turn()
    result["ticks"] = []
    for _ in range(int(ticks)):
        before = clock()
        session.turn()
        volumes.follow_timeline("idle")  # as in a tick of a running job
        result["ticks"].append(since(before))
    result["queue"] = long_queue(int(ticks) // 10)
    result["versions"] = {
        "blender": bpy.app.version_string, "python": platform.python_version(), "numpy": numpy.__version__
    }
    Path(answer).write_text(json.dumps(result))
    code = 0
except BaseException:
    traceback.print_exc()
sys.stderr.flush()
os._exit(code)
"""


def benchmark(quick: bool) -> dict[str, Any]:
    """{"summary", "blenders"}; milliseconds, medians of the wall's clock. quick: one Blender, fewer repeats."""
    repeats = 3 if quick else REPEATS
    chosen = [venvs.DEFAULT] if quick else venvs.usable()
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        folder = Path(name)
        for n in SIZES:
            for kind, density in _fields(n).items():
                _write(folder / f"{kind} {n}", density, repeats + 1)
        blenders = {version: _measure(version, folder, repeats) for version in chosen}
    first = blenders[chosen[0]]
    return {
        "device": f"bpy {', '.join(chosen)}",
        "summary": {
            "snapshot_ms": _longest(first["snapshots"]),
            "tick_ms": first["tick_ms"],
            "queue_of_300_ms": max(first["queue_of_300"].values()),
        },
        "blenders": blenders,
        "left_out": venvs.left_out(),
    }


def _longest(snapshots: dict[str, Any]) -> dict[str, float]:
    """{"100": ms, ...} of what takes longest to show, fog or object."""
    return {str(n): max(timings["ms"] for kind, timings in snapshots.items() if kind.endswith(f" {n}")) for n in SIZES}


def text(record: report.Record) -> str:
    """The result as a table."""
    kinds = list(next(iter(record["blenders"].values()))["snapshots"])
    long_queue = ("save", "end")  # of a queue of 300: turns that save the list, turns in which a job ends
    headings = [*(f"{kind}^3 ms" for kind in kinds), "idle tick ms", *(f"300 jobs: {turn} ms" for turn in long_queue)]
    rows = [["Blender", *headings]]
    for version, timings in record["blenders"].items():
        cells = (f"{timings['snapshots'][kind]['ms']:.1f}" for kind in kinds)
        turns = timings.get("queue_of_300", {})  # older records have none
        queued = (f"{turns[kind]:.2f}" if kind in turns else "" for kind in long_queue)
        rows.append([version, *cells, f"{timings['tick_ms']:.3f}", *queued])
    return report.table(rows)


def _fields(n: int) -> dict[str, np.ndarray]:
    """What a job shows: a formed object (a rough ball, 27 % of the box) and, at its beginning, fog all over the box."""
    c = (np.arange(n) + 0.5) * 2 / n - 1
    x, y, z = np.meshgrid(c, c, c, indexing="ij", sparse=True)
    rough = np.random.default_rng(0).uniform(0.5, 1, (n, n, n)).astype(np.float32)
    return {"object": 100 * rough * (x * x + y * y + z * z < 0.8**2), "fog": 3 * rough}


def _write(folder: Path, density: np.ndarray, count: int) -> None:
    """The same snapshot under `count` names, as the worker writes it: Blender keeps what it has read by name."""
    color = np.broadcast_to(np.linspace(0, 1, len(density), dtype=np.float32)[:, None], (*density.shape, 3))
    first = folder / "f_0001.vdb"
    write_live_vdb(first, density, color)
    for n in range(2, count + 1):
        shutil.copyfile(first, folder / f"f_{n:04d}.vdb")


def _measure(version: str, folder: Path, repeats: int) -> dict[str, Any]:
    answer = folder / f"{version}.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [
            venvs.ensure_bpy(version),
            "-c",
            SCRIPT,
            report.ROOT / "build" / "stage",
            folder,
            str(repeats),
            str(TICKS),
            answer,
        ],
        env={**environment, "BLENDER_USER_RESOURCES": str(folder / "home"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SjcError(f"bpy {version} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    result = json.loads(answer.read_text("utf-8"))
    snapshots = {kind: _snapshot(rows) for kind, rows in result["snapshots"].items()}
    ticks = [wall for wall, _ in result["ticks"]]
    return {
        "versions": result["versions"],
        "snapshots": snapshots,
        "queue_of_300": {
            kind: round(statistics.median(wall for wall, _ in rows), 3) for kind, rows in result["queue"].items()
        },
        "tick_ms": round(statistics.median(ticks), 4),
        "tick_ms_longest": round(max(ticks), 3),
        "tick_ms_own": round(statistics.median(own for _, own in result["ticks"]), 4),
    }


def _snapshot(rows: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Medians of [wall, main thread's own processor time] and every single one."""
    totals = [row["call"][0] + row["update"][0] for row in rows]
    return {
        "ms": round(statistics.median(totals), 2),
        "ms_call": round(statistics.median(row["call"][0] for row in rows), 2),
        "ms_update": round(statistics.median(row["update"][0] for row in rows), 2),
        "ms_own": round(statistics.median(row["call"][1] + row["update"][1] for row in rows), 2),
        "each_ms": [round(total, 2) for total in totals],
    }
