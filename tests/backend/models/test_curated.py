"""The short list of models: what it says is what the tests of the families count, and `sjc models list` shows it."""

import json

from sjc import cli
from sjc.models import curated, hub_ids, model_list
from tests.backend.models.test_single_file import NUMBERS


def entry(name):
    return next(one for one in curated.CURATED if one.name == name)


def test_the_numbers_are_those_of_the_real_layouts():
    """test_single_file and test_multi_view build these networks, without weights, and count."""
    assert entry("Stable Diffusion 1.5").numbers == NUMBERS["1"]
    assert entry("Stable Diffusion XL").numbers == NUMBERS["XL"]
    several = entry("MVDream").numbers
    assert several == NUMBERS["2"] | {"unet": NUMBERS["2"]["unet"] + 1280 * (16 + 1 + 1280 + 1)}
    assert entry("Stable Diffusion 1.5").size == 2 * 1_066_235_307
    room = 2**29
    assert entry("Stable Diffusion 1.5").memory == 2 * (859_520_964 + 123_060_480) + room


def test_every_entry_can_be_fetched_and_found():
    for one in curated.CURATED:
        name, revision = hub_ids.split_revision(one.model)
        assert (name, revision or "") == (one.hub_id, one.revision)
        assert one.revision == "" or len(one.revision) == 40
        assert curated.find(one.model) is curated.find(f" {one.hub_id} ") is one
        assert not one.run, "say in docs/models.md what was run"
    assert curated.find("some/other") is None


def test_the_list_names_what_is_not_here(tmp_path, monkeypatch, capsys):
    here, *others = curated.CURATED
    (model_list.repository(tmp_path, here.model) / "snapshots" / here.revision).mkdir(parents=True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("SJC_CACHE", str(tmp_path / "cache"))
    assert cli.main(["models", "list", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["state"] == "to fetch"]
    assert [row["model"] for row in rows] == [one.model for one in others]
    assert [row["licence"] for row in rows] == [one.licence for one in others]
    assert all(row["note"].endswith("its weights were never run.") for row in rows)
    assert cli.main(["models"]) == 0
    shown = capsys.readouterr().out
    assert f"  {others[0].good_for}" in shown
    assert "to fetch" in shown
    assert f"about {others[0].size / 1e9:.1f} GB" in shown
