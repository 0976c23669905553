"""A download through the hub's own client, from a hub on this machine."""

import hashlib
import http.server
import json
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import ClassVar

import pytest

from sjc.job import run
from sjc.models import curated, layout, model_files, model_list
from sjc.models.loading import load_denoiser
from sjc.settings import from_json, resolve, to_json
from sjc_blender.models import catalogue, fetching, lookup
from tests.addon.helpers import until

ID = "some-people/some-model"


class HubServer(http.server.BaseHTTPRequestHandler):
    """The few answers of a model hub that a download needs: the list of files, the revision, the files.

    root: the model's folder.
    """

    root: Path
    asked: list[str]
    held: threading.Event  # while it is clear, the weights stop half-way
    commits: ClassVar = {"main": "c" * 40, "v1.0": "d" * 40}
    gated: bool | str = False
    card: dict | None = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def log_message(self, *_):
        pass

    def answer(self, body):
        path = urllib.parse.urlsplit(self.path).path
        files = {p.relative_to(self.root).as_posix(): p for p in self.root.rglob("*") if p.is_file()}
        commit = self.commit_of(path)
        if commit and path.startswith(f"/api/models/{ID}/tree/"):
            return self.send_json([
                {"type": "file", "path": name, "size": p.stat().st_size, "oid": hashlib.sha1(name.encode()).hexdigest()}
                for name, p in files.items()
            ])  # fmt: skip
        self.asked.append(self.path)
        if commit and path.startswith("/api/"):
            return self.send_json(
                {
                    "id": ID,
                    "sha": commit,
                    "gated": self.gated,
                    "cardData": self.card,
                    "siblings": [{"rfilename": name, "size": p.stat().st_size} for name, p in files.items()],
                }
            )
        name = path.removeprefix(f"/{ID}/resolve/").partition("/")[2]
        if name not in files or not commit:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data = files[name].read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if body:
            half = len(data) // 2 if name.startswith("unet/") and name.endswith(".safetensors") else len(data)
            self.wfile.write(data[:half])
            if data[half:]:
                self.held.wait(60)
                self.wfile.write(data[half:])
        return None

    def commit_of(self, path):
        """The commit that a path means: of the branch, tag or commit in it, else of main; None if there is none."""
        for start in (f"/api/models/{ID}/tree/", f"/api/models/{ID}/revision/", f"/{ID}/resolve/"):
            if path.startswith(start):
                named = path.removeprefix(start).partition("/")[0]
                return self.commits.get(named, named if named in self.commits.values() else None)
        return self.commits["main"] if path == f"/api/models/{ID}" else None

    def send_json(self, answer):
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on this machine that has the embedded model under ID, as the library's real client sees it."""
    server_class = type("Hub", (HubServer,), {"root": model_files.EMBEDDED, "held": threading.Event(), "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), server_class)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield server_class
    server_class.held.set()
    server.shutdown()
    server.server_close()


def test_a_download_from_a_hub_with_its_size_and_share(hub):
    """The real client against a hub on this machine: size first, share while it comes, the whole model at the end."""
    assert lookup.look(ID).kind == "missing"
    job = fetching.Fetch(sys.executable, ID).start()
    until(lambda: job.poll().factor > 0 or job.poll().state != "running")
    at = job.poll()
    assert at.state == "running", at.text
    assert at.factor < 0.9  # the weights are held back half-way
    here, total = at.text.split(" / ")
    sizes = {p.relative_to(hub.root).as_posix(): p.stat().st_size for p in hub.root.rglob("*") if p.is_file()}
    wanted = [*layout.wanted_files(list(sizes)), "README.md"]
    assert total == lookup.readable_size(sum(sizes.get(name, 0) for name in wanted))
    assert here != total
    hub.held.set()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "done", job.poll().text
    info = lookup.look(ID)
    assert (info.kind, info.size) == ("cached", model_files.check(model_files.EMBEDDED).weight_bytes)


def test_a_model_is_removed_by_the_backend(hub):
    hub.held.set()
    fetch = fetching.Fetch(sys.executable, ID).start()
    until(lambda: fetch.poll().state != "running")
    assert lookup.look(ID).kind == "cached"
    job = fetching.Remove(sys.executable, ID).start()
    until(lambda: job.poll().state != "running")
    assert (job.poll().state, job.poll().text) == ("done", "")
    assert lookup.look(ID).kind == "missing"
    again = fetching.Remove(sys.executable, ID).start()
    until(lambda: again.poll().state != "running")
    assert again.poll().state == "failed"
    assert "is not in the local model cache" in again.poll().text


def test_a_backend_that_does_not_start_removes_nothing(tmp_path):
    job = fetching.Remove(tmp_path / "no-python", ID).start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "failed"
    assert "does not start" in job.poll().text


@pytest.mark.parametrize("kind", [fetching.Remove, fetching.Fetch, fetching.Ask])
def test_what_nobody_foresaw_ends_the_work_with_a_word(monkeypatch, kind):
    """A thread that died in silence would be waited for for ever."""

    def broken(*_arguments):
        raise ValueError("embedded null byte")

    monkeypatch.setattr(fetching, "begin", broken)
    job = kind(sys.executable, ID).start()
    job.thread.join(10)
    text = job.answer.problem if kind is fetching.Ask else job.poll().text
    assert text == "ValueError: embedded null byte"
    assert job.poll().state == ("done" if kind is fetching.Ask else "failed")


def wanted_bytes(root):
    sizes = {p.relative_to(root).as_posix(): p.stat().st_size for p in root.rglob("*") if p.is_file()}
    wanted = [*layout.wanted_files(list(sizes)), "README.md"]
    return sum(sizes.get(name, 0) for name in wanted)


def asked(model=ID, python=sys.executable):
    job = fetching.Ask(python, model).start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "done"
    return job.answer


@pytest.mark.parametrize(
    ("card", "gated", "licence"),
    [
        ({"license": "mit"}, False, "mit"),
        ({"license": "other", "license_name": "some-terms"}, "manual", "some-terms"),
        ({"license": "other"}, "auto", "other"),
        (None, False, ""),
    ],
)
def test_the_size_is_known_before_the_download(hub, card, gated, licence):
    """One question of the list of files; not a byte of a file is fetched."""
    hub.card, hub.gated = card, gated
    assert asked() == fetching.DownloadInfo(wanted_bytes(hub.root), licence, bool(gated))
    assert lookup.look(ID).kind == "missing"
    assert not [path for path in hub.asked if "/resolve/" in path]


def test_a_hub_that_knows_nothing_says_so_in_one_line(hub, tmp_path):
    problems = [asked("some-people/nothing").problem, asked("no id").problem]
    assert problems[0].startswith('The hub gives no information about "some-people/nothing"')
    assert "not a hub id" in problems[1]
    hub.root = tmp_path
    (tmp_path / "a.txt").write_text("no pipeline")
    problems.append(asked().problem)
    assert "no model_index.json" in problems[2]
    problems.append(asked(python=tmp_path / "nowhere").problem)
    assert "does not start" in problems[3]
    assert not any("\n" in problem for problem in problems)


def test_a_question_can_be_cancelled(hub):
    job = fetching.Ask(sys.executable, ID).start()
    job.cancel()
    job.thread.join(10)
    assert job.poll().state == "cancelled"


@pytest.mark.parametrize("named", ["v1.0", "d" * 40])
def test_a_pinned_revision(hub, named, tmp_path):
    """A tag or a commit is fetched as itself, looked up, listed and loaded as itself, and main stays to be fetched."""
    hub.held.set()
    pinned = f"{ID}@{named}"
    assert lookup.look(pinned).kind == "missing"
    assert asked(pinned) == fetching.DownloadInfo(wanted_bytes(hub.root))
    before = lookup.stamp(pinned)
    job = fetching.Fetch(sys.executable, pinned).start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "done", job.poll().text
    assert lookup.stamp(pinned) != before
    info = lookup.look(pinned)
    assert (info.kind, info.folder.name) == ("cached", "d" * 40)
    assert lookup.look(ID).kind == "missing"
    assert [name for name, _ in catalogue.listing("")] == [*model_list.own(), pinned]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(lookup.hub_folder()))
        assert model_files.locate(pinned) == info.folder
        loaded = load_denoiser(pinned)
        assert (loaded.origin.source, loaded.origin.revision) == (pinned, "d" * 40)
        settings = resolve(None, {"prompt": "a red mushroom", "model": pinned})
        run.check_early(from_json(to_json(settings)))


def test_a_model_of_the_short_list_is_fetched_by_id_and_revision(hub, monkeypatch):
    """As its button asks for it; offline, and where the hub lacks that commit, it ends with one line."""
    one = curated.Curated(ID, "d" * 40, "Some Model", "Pixel", "Good for tests.", "mit", {"unet": 1})
    monkeypatch.setattr(curated, "CURATED", (one,))
    cache = lookup.hub_folder()
    assert [row.model for row in model_list.to_fetch(cache)] == [one.model]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in _failed(one.model)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    hub.held.set()
    assert "could not be fetched" in _failed(f"{ID}@{'e' * 40}")
    job = fetching.Fetch(sys.executable, one.model).start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "done", job.poll().text
    assert model_list.to_fetch(cache) == []
    assert lookup.look(one.model).folder.name == one.revision


def test_a_download_that_is_cancelled_keeps_what_came(hub):
    job = fetching.Fetch(sys.executable, ID).start()
    until(lambda: job.poll().factor > 0 or job.poll().state != "running")
    job.cancel()
    job.thread.join(30)
    assert job.poll().state == "cancelled"
    assert lookup.cache_folder(ID).is_dir()
    hub.held.set()
    again = fetching.Fetch(sys.executable, ID).start()
    until(lambda: again.poll().state != "running")
    assert again.poll().state == "done", again.poll().text


def test_a_revision_that_the_hub_has_not(hub):
    hub.held.set()
    for line in (asked(f"{ID}@v9").problem, _failed(f"{ID}@v9")):
        assert f'"{ID}@v9"' in line
        assert "\n" not in line
    assert "not a hub id" in asked(f"{ID}@../../etc").problem


def _failed(model):
    job = fetching.Fetch(sys.executable, model).start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "failed"
    return job.poll().text


@pytest.mark.parametrize(("typed", "state"), [(" abc ", "done"), ("abd", "failed")])
def test_a_token_goes_over_standard_input_alone(monkeypatch, typed, state):
    """Whoever lists the processes of a computer sees their arguments."""
    program = "import sys; sys.exit(0 if sys.stdin.readline() == 'abc\\n' else 'sjc: The token is not kept.')"
    real, commands = fetching.command_for, []

    def command_for(*words):
        commands.append(real(*words))
        return [sys.executable, "-c", program]

    monkeypatch.setattr(fetching, "command_for", command_for)
    work = fetching.SignIn(sys.executable, typed).start()
    work.thread.join(60)
    assert work.poll().state == state
    assert work.poll().text == ("" if state == "done" else "The token is not kept.")
    assert "login" in commands[0]
    assert not any(typed.strip() in word for word in commands[0])
