"""All results of a batch at a glance: batch.png, a sheet of their previews, and index.html, a page with links."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..job import folder as job_folder
from ..output import files, tiles
from .records import CSV, Row

SHEET, PAGE = "batch.png", "index.html"

_STYLE = """\
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; background: #fff; color: #222 }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem }
figure { margin: 0; border: 1px solid #ddd; border-radius: 6px; padding: .6rem }
img { width: 100%; height: auto; background: #f4f4f4 }
.failed { color: #a00 }
small { color: #666 }
"""


def write(out: Path, rows: Sequence[Row]) -> None:
    """Both files. The sheet is left out where there is no preview yet."""
    tiles.write_sheet(out / SHEET, [(row["folder"], out / row["folder"] / job_folder.PREVIEW) for row in rows])
    files.write_bytes(out / PAGE, _page(out, rows).encode())


def _page(out: Path, rows: Sequence[Row]) -> str:
    finished = sum(row["state"] == "finished" for row in rows)
    figures = "\n".join(_figure(out, row) for row in rows)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{finished} of {len(rows)} objects</title>
<style>
{_STYLE}</style>
<h1>{finished} of {len(rows)} objects</h1>
<p><a href="{CSV}">{CSV}</a></p>
<main>
{figures}
</main>
</html>
"""


def _figure(out: Path, row: Row) -> str:
    folder = out / row["folder"]

    def address(name: str) -> str:
        return quote(f"{row['folder']}/{name}")

    prompt = html.escape(row["prompt"])
    names = [name for name in (job_folder.MESH, job_folder.TURNTABLE) if (folder / name).is_file()]
    links = " ".join(f'<a href="{address(name)}">{name}</a>' for name in names)
    picture = ""
    if (folder / job_folder.PREVIEW).is_file():
        preview = address(job_folder.PREVIEW)
        picture = f'<a href="{preview}"><img loading="lazy" src="{preview}" alt="{prompt}"></a>'
    details = html.escape(", ".join(f"{name} {value}" for name, value in _details(row).items()))
    state = html.escape(f"{row['state']}: {row['reason']}" if row["reason"] else row["state"])
    kind = ' class="failed"' if row["state"] == "failed" else ""
    return (
        f"<figure>{picture}<figcaption><b>{prompt}</b><br>{links} <span{kind}>{state}</span><br>"
        f"<small>{details}</small></figcaption></figure>"
    )


def _details(row: Row) -> dict[str, Any]:
    left_out = {"folder", "prompt", "state", "reason", "mesh_warnings"}
    return {name: value for name, value in row.items() if name not in left_out and value not in (None, "")}
