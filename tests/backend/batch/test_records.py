"""The list and the pictures of a batch: what the folders say, readable by a spreadsheet and a browser."""

import csv
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from sjc.batch import plan, records, summary
from sjc.job import folder as job_folder
from sjc.output import files, tiles
from sjc.output.pictures import write_png


@pytest.fixture
def batch(tmp_path):
    """Three jobs: one made, one that failed, one not begun."""
    grid = {"guidance": ["1"]}
    jobs = plan.plan_of(["a red <b>cube", "-a blue cone", "a tree"], tmp_path, grid)
    made = jobs[0].folder
    made.mkdir()
    job_folder.write_settings(made, jobs[0].settings)
    (made / "mesh.glb").write_bytes(b"glTF")
    mesh = {"faces": 12, "watertight": True, "warnings": ["thin"]}
    files.write_json(made / "run.json", {"seconds": {"load": 1, "optimise": 2.5}, "device": "cpu", "mesh": mesh})
    write_png(made / "preview.png", np.full((50, 200, 3), 80, np.uint8))
    news = {jobs[0].folder: {"state": "finished", "host": "a"}, jobs[1].folder: {"state": "failed", "reason": "no <i>"}}
    return jobs, records.rows(jobs, tmp_path, news)


def test_rows_say_what_the_folders_say(batch, tmp_path):
    jobs, rows = batch
    assert [row["state"] for row in rows] == ["finished", "failed", "waiting"]
    assert rows[0] | {"seconds": 3.5, "faces": 12, "watertight": True, "mesh_warnings": 1, "host": "a"} == rows[0]
    records.write(tmp_path, rows)
    again = records.rows(jobs, tmp_path)
    assert again == rows, "another head knows the hosts and reasons of the first"
    jobs[1].folder.mkdir()
    job_folder.write_settings(jobs[1].folder, jobs[1].settings)
    (jobs[1].folder / "mesh.glb").write_bytes(b"glTF")
    files.write_json(jobs[1].folder / "run.json", {})
    assert [row["state"] for row in records.rows(jobs, tmp_path)] == ["finished", "finished", "waiting"]


def test_the_list_is_a_table_in_which_nothing_computes(batch, tmp_path):
    _, rows = batch
    records.write(tmp_path, rows)
    with (tmp_path / "batch.csv").open(encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [line["guidance"] for line in table] == ["1"] * 3
    assert table[1]["prompt"] == "'-a blue cone"
    assert json.loads((tmp_path / "batch.json").read_text("utf-8"))["states"] == {
        "finished": 1, "failed": 1, "waiting": 1
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "[]", "{", '{"jobs": 3}', '{"jobs": [3, {"folder": 1}]}'])
def test_a_damaged_list_is_made_anew(batch, tmp_path, text):
    jobs, _ = batch
    (tmp_path / "batch.json").write_text(text)
    assert [row["state"] for row in records.rows(jobs, tmp_path)] == ["finished", "waiting", "waiting"]


def test_sheet_and_page_show_what_is_there_and_run_nothing(batch, tmp_path):
    _, rows = batch
    summary.write(tmp_path, rows)
    with Image.open(tmp_path / "batch.png") as sheet:
        assert sheet.width > tiles.TILE
    page = (tmp_path / "index.html").read_text("utf-8")
    tags, addresses = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            addresses.extend(value for name, value in attrs if name in ("href", "src"))

    Reader().feed(page)
    assert page.count("a red &lt;b&gt;cube") == 2
    assert tags.count("figure") == 3
    assert {"script", "i"}.isdisjoint(tags)
    assert all((tmp_path / address).is_file() for address in addresses if address != "batch.csv")
    assert f"{rows[0]['folder']}/mesh.glb" in addresses
