"""The MCP server's tools without the protocol: what is refused, and the commands that are begun."""

import json
import sys
import time

import pytest

from sjc.agents import jobs as agent_jobs
from sjc.agents import tools
from sjc.agents.arguments import schema_of
from sjc.agents.jobs import AgentJob, Jobs
from sjc.cli import build_parser
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.settings import overrides, resolve_job


class Recorder(Jobs):
    """Begins nothing."""

    def __init__(self):
        self.all = []

    def add(self, folder, words):
        self.all.append(AgentJob(folder, words))
        return self.all[-1]


@pytest.fixture
def desk(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.glb").write_bytes(b"glTF")
    return tools.Desk(root.resolve(), Recorder())


def begun(desk):
    """The last command, as the command line reads it."""
    return build_parser().parse_args(desk.jobs.all[-1].words)


def refused(desk, name, arguments):
    with pytest.raises(SjcError) as error:
        tools.call(desk, name, arguments)
    assert not desk.jobs.all
    assert "\n" not in str(error.value)
    return str(error.value)


def test_generate_begins_the_command_with_all_settings(desk):
    given = {"prompt": "a red mushroom", "settings": {"preset": "test", "seed": 7, "turntable": True}}
    record = tools.call(desk, "generate", given)
    assert record["folder"] == str(desk.root / "a-red-mushroom-7")
    assert record["state"] == "waiting"
    args = begun(desk)
    assert (args.command, args.prompt, args.json) == ("generate", "a red mushroom", True)
    assert resolve_job({**overrides(args), "prompt": args.prompt}) == resolve_job(
        {**given["settings"], "prompt": args.prompt}
    )
    assert tools.call(desk, "generate", given)["folder"].endswith("a-red-mushroom-7-2"), "the first only waits"


def test_a_prompt_is_no_option(desk):
    tools.call(desk, "generate", {"prompt": "--overwrite"})
    args = begun(desk)
    assert args.prompt == "--overwrite"
    assert "overwrite" not in overrides(args)


@pytest.mark.parametrize(
    ("name", "arguments", "line"),
    [
        ("generate", {}, "generate: prompt is missing; it must be text"),
        ("generate", {"prompt": 7}, "generate: prompt is 7; it must be text"),
        ("generate", None, "generate: prompt is missing"),
        ("generate", {"prompt": "a tree", "sed": 3}, 'generate: "sed" is unknown; there are prompt, settings.'),
        ("generate", {"prompt": "a tree", "settings": [1]}, "generate: settings must hold a JSON object"),
        ("generate", {"prompt": "a tree", "settings": {"steps": "many"}}, 'steps: "many" is not a whole number'),
        ("generate", {"prompt": "a tree", "settings": {"stepz": 3}}, "stepz"),
        ("generate", {"prompt": "a tree", "settings": {"overwrite": True}}, "settings: overwrite cannot be set here."),
        ("generate", {"prompt": "a tree", "settings": {"start": "../secret.glb"}}, "start:"),
        ("generate", {"prompt": "a tree", "settings": {"keep": "/etc/passwd"}}, "keep:"),
        ("generate", {"prompt": "a tree", "settings": {"picture": "../a.png@front"}}, "picture:"),
        ("generate", {"prompt": "a tree", "settings": {"lora": "~/a.safetensors"}}, "lora:"),
        ("generate", {"prompt": "a tree", "settings": {"model": "../model"}}, "model:"),
        ("generate", {"prompt": "a tree", "settings": {"model": "$HOME/model"}}, "model:"),
        (
            "variants",
            {"prompt": "a tree", "count": 17},
            "variants: count is 17; it must be a whole number from 1 to 16",
        ),
        ("variants", {"prompt": "a tree", "count": True}, "variants: count is True"),
        ("texture", {"file": "../secret.glb", "prompt": "a tree"}, "file:"),
        ("texture", {"file": "gone.glb", "prompt": "a tree"}, "does not exist"),
        ("refine", {"folder": ".."}, "folder:"),
        ("resume", {"folder": "gone"}, "is not a job folder"),
        ("status", {"folder": "gone"}, "No job of this server works in"),
        ("export", {"folder": "a", "format": "usd"}, "format: usd is written by Blender"),
        ("export", {"folder": "a", "size": "large"}, 'export: size is "large"; it must be a number from 0 to 10000.'),
        ("paint", {}, '"paint" is unknown; there are generate'),
    ],
)
def test_one_line_for_what_cannot_be(desk, name, arguments, line):
    assert line in refused(desk, name, arguments)


def test_links_lead_nowhere_outside(desk):
    (desk.root / "link").symlink_to(desk.root.parent)
    assert "lies outside of" in refused(desk, "texture", {"file": "link/secret.glb", "prompt": "a tree"})
    assert "lies outside of" in refused(desk, "resume", {"folder": "link"})
    elsewhere = desk.root.parent / "other"
    elsewhere.mkdir()
    job_folder.write_settings(elsewhere, resolve_job({"prompt": "a tree"}))
    (desk.root / "other").symlink_to(elsewhere)
    assert tools.call(desk, "list", {}) == {"results": []}


def test_list_names_what_is_there(desk):
    folder = desk.root / "v" / "001-a-tree-0"
    folder.mkdir(parents=True)
    job_folder.write_settings(folder, resolve_job({"prompt": "a tree"}))
    (row,) = tools.call(desk, "list", {})["results"]
    assert row == {"folder": str(folder), "prompt": "a tree", "state": "unfinished", "files": []}


def test_variants_name_the_folders_that_the_command_makes(desk):
    record = tools.call(desk, "variants", {"prompt": "a tree", "count": 2, "settings": {"preset": "test", "seed": 3}})
    parent = desk.root / "variants-a-tree-3"
    assert record["variants"] == [str(parent / "001-a-tree-3"), str(parent / "002-a-tree-4")]
    args = begun(desk)
    assert (args.command, args.out, args.count) == ("variants", parent, 2)


def test_schemas_are_json_and_name_what_must_be_given():
    schemas = {name: schema_of(tool.arguments) for name, tool in tools.TOOLS.items()}
    assert json.loads(json.dumps(schemas)) == schemas
    assert schemas["texture"]["required"] == ["file", "prompt"]
    assert schemas["export"]["properties"]["faces"]["type"] == "integer"


def test_jobs_wait_for_each_other_and_say_why_one_failed(tmp_path, monkeypatch):
    def command(*words):
        return [sys.executable, "-c", *words]

    monkeypatch.setattr(agent_jobs, "command", command)
    monkeypatch.setattr(agent_jobs, "PATIENCE", 2.0)  # where this process was started to ignore interrupts
    lines = '{"type": "progress", "step": 3, "total": 8, "eta_s": 2.5}', '{"type": "warning", "text": "thin"}', "noise"
    good = "\n".join(f"print('{line}')" for line in lines)
    running = Jobs(tmp_path)
    done = running.add(tmp_path / "a", [good])
    failed = running.add(tmp_path / "b", ["import sys; print('sjc: no such model.', file=sys.stderr); sys.exit(2)"])
    endless = running.add(tmp_path / "c", ["import time; time.sleep(600)"])
    never = running.add(tmp_path / "d", ["raise SystemExit"])
    running.cancel(never)
    for _ in range(200):
        if endless.state == "running":
            break
        time.sleep(0.05)
    running.close()
    assert (done.state, done.step, done.total, done.warnings, done.seconds_left) == ("finished", 3, 8, ["thin"], None)
    assert (failed.state, failed.problem) == ("failed", "no such model.")
    assert endless.state in {"stopped", "failed"}
    assert never.state == "stopped"
    assert running.newest(tmp_path / "b") is failed
