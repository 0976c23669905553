"""What keeps a download from the hub from succeeding: one line each, from a hub on this machine that the real client
asks.
"""

import errno
import json
import os
import re
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from diffusers.models.controlnets.controlnet import ControlNetModel

from sjc import cli
from sjc.errors import SjcError
from sjc.models import gated, model_files
from sjc.models import hub as sjc_hub
from tests.addon.test_fetching import ID, HubServer

PACKAGES = str(Path(model_files.__file__).parents[2])


class Hub(HubServer):
    """Refuses what `refuses` names: a part of a path -> (status, the hub's word for it)."""

    refuses: dict[str, tuple[int, str]]

    def answer(self, body):
        for part, (status, word) in self.refuses.items():
            if part in self.path:
                self.asked.append(self.path)
                self.send_response(status)
                self.send_header("X-Error-Code", word)
                self.send_header("Content-Length", "0")
                return self.end_headers()
        return super().answer(body)


@pytest.fixture
def hub(tmp_path):
    """A hub that has the embedded model under ID; `environment` makes a process ask it."""
    held = threading.Event()
    held.set()
    made = type("Made", (Hub,), {"root": model_files.EMBEDDED, "held": held, "asked": [], "refuses": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE_", "TRANSFORMERS_"))}
    made.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    made.environment = environment | {
        "HF_ENDPOINT": made.endpoint,
        "HF_HOME": str(tmp_path / "hub"),
        "SJC_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "PYTHONPATH": PACKAGES,
    }
    yield made
    server.shutdown()
    server.server_close()


def asked(hub, *words, before="", **variables):
    """`sjc models WORDS` in a process, after the lines `before`: (status, standard output, last line of the other)."""
    code = f"import sys\n{before}\nfrom sjc.cli import main\nsys.exit(main(['models', *sys.argv[1:]]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=hub.environment | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr.strip().rpartition("\n")[2]


def refused(hub, *words, **more):
    code, _, line = asked(hub, *words, **more)
    assert code == 2
    assert line.startswith("sjc: ")
    return line


def test_gated_weights_are_explained_step_by_step(hub):
    """The list of files is open to everybody, the files are not: as gated models are on the real hub."""
    hub.refuses["/resolve/"] = 403, "GatedRepo"
    line = refused(hub, "fetch", ID)
    assert line.startswith(f'sjc: The model "{ID}" could not be fetched: it is gated')
    steps = re.split(r" \d\. ", line)
    assert len(steps) == 5
    assert f"{hub.endpoint}/{ID}" in steps[1]
    assert f"{hub.endpoint}/settings/tokens" in steps[2]
    assert '"sjc models login" or "hf auth login"' in steps[3]
    assert f'"sjc models fetch {ID}"' in steps[4]


def test_a_gated_model_is_noted_for_the_doctor_until_it_comes(hub, monkeypatch):
    monkeypatch.setenv("SJC_CACHE", hub.environment["SJC_CACHE"])
    hub.refuses["/resolve/"] = 403, "GatedRepo"
    refused(hub, "fetch", ID)
    assert gated.awaited() == [ID]
    hub.refuses.clear()
    hub.gated = "auto"
    assert asked(hub, "fetch", f"{ID}@main", "--dry-run")[0] == 0
    assert gated.awaited() == [ID, f"{ID}@main"]
    assert asked(hub, "fetch", ID)[0] == 0
    assert gated.awaited() == [f"{ID}@main"]
    hub.refuses["/resolve/"] = 404, "EntryNotFound"
    refused(hub, "fetch", "some-people/broken")
    assert gated.awaited() == [f"{ID}@main"], "what fails in another way is not gated"


def test_before_the_download_the_steps_are_told_as_well(hub):
    hub.gated = "manual"
    code, out, _ = asked(hub, "fetch", ID, "--dry-run")
    assert code == 0
    assert '3. give it to "sjc models login"' in out
    code, out, _ = asked(hub, "fetch", ID, "--dry-run", "--json")
    assert json.loads(out)["gated"] is True


def test_an_id_that_nobody_has(hub):
    hub.refuses["/api/models/some-people/some-modle"] = 401, "RepoNotFound"
    line = refused(hub, "fetch", "some-people/some-modle")
    assert "the hub knows no model some-people/some-modle, or it is private" in line
    assert "401" not in line


def test_a_revision_that_nobody_has(hub):
    hub.refuses["v9"] = 404, "RevisionNotFound"
    assert f'{ID} has no revision "v9"' in refused(hub, "fetch", f"{ID}@v9")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config.json": {"model_type": "llama"}, "model.safetensors": 0}, "a language or vision model (llama)"),
        ({"config.json": {"_class_name": "ControlNetModel"}, "x.bin": 0}, "a single ControlNetModel"),
        ({"pytorch_lora_weights.safetensors": 0}, "an adapter (LoRA)"),
        ({"readme.txt": 0}, "is not a diffusers model"),
    ],
)  # fmt: skip
def test_a_repository_of_another_kind_is_named(hub, tmp_path, files, says):
    hub.root = tmp_path / "other"
    hub.root.mkdir()
    for name, content in files.items():
        (hub.root / name).write_text(json.dumps(content))
    for words in (("fetch", ID), ("fetch", ID, "--dry-run")):
        line = refused(hub, *words)
        assert says in line
        assert "no model_index.json" in line
    assert not any(path.endswith("model.safetensors") for path in hub.asked), "no weights were fetched"


def test_a_control_net_is_fetched_as_models_are(hub, tmp_path):
    """Half precision alone; and what is fetched can be used by its id."""
    hub.root = tmp_path / "control"
    net = ControlNetModel(
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, attention_head_dim=4, cross_attention_dim=16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), conditioning_embedding_out_channels=(8, 8),
    )  # fmt: skip
    for variant in (None, "fp16"):
        net.save_pretrained(hub.root, variant=variant)
    (hub.root / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    code, out, _ = asked(hub, "fetch", ID)
    assert (code, "a ControlNet" in out) == (0, True)
    fetched = {path.partition("/resolve/")[2].partition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert {name for name in fetched if name.startswith("diff")} == {"diffusion_pytorch_model.fp16.safetensors"}


def test_pickles_alone_are_named_before_the_first_byte(hub, tmp_path):
    hub.root = tmp_path / "pickles"
    (hub.root / "unet").mkdir(parents=True)
    for name in ("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin"):
        (hub.root / name).write_text("{}")
    for words in (("fetch", ID), ("fetch", ID, "--dry-run")):
        assert "its unet is there only as a pickle (diffusion_pytorch_model.bin)" in refused(hub, *words)
    assert not any("/resolve/" in path for path in hub.asked)


def test_without_a_network(hub):
    line = refused(hub, "fetch", ID, HF_ENDPOINT="http://127.0.0.1:9")
    assert "the hub cannot be reached; look at the network" in line


@pytest.mark.parametrize("how", ["--offline", *sjc_hub.OFFLINE])
def test_offline_asks_nobody(hub, how):
    option = ["--offline"] if how == "--offline" else []
    variables = {} if option else {how: "1"}
    for words in (("fetch", ID), ("fetch", ID, "--dry-run")):
        assert "keeps the hub out of reach" in refused(hub, *words, *option, **variables)
    assert hub.asked == []


def test_every_command_that_loads_knows_offline(monkeypatch, tmp_path):
    for name in sjc_hub.OFFLINE:
        monkeypatch.setenv(name, "0")
    assert not sjc_hub.offline()
    for words in (["generate", "x"], ["batch", "x"], ["resume", "x"], ["models"], ["experiment", "paas"]):
        assert cli.build_parser().parse_args([*words, "--offline"]).offline
    assert cli.main(["models", "info", str(tmp_path), "--offline"]) == 2
    assert sjc_hub.offline()


def test_a_disk_without_room_is_told_before_the_first_byte(hub):
    small = "import shutil; shutil.disk_usage = lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6)"
    line = refused(hub, "fetch", ID, before=small)
    assert "GB are still to be downloaded" in line
    assert "HF_HOME" in line
    assert not any("/resolve/" in path for path in hub.asked)


FILLS = """
import huggingface_hub.file_download as client
def full(url, file, **_):
    raise OSError(28, "No space left on device")
client.http_get = full
"""


def test_a_disk_that_fills_up_meanwhile(hub):
    line = refused(hub, "fetch", ID, before=FILLS)
    assert "the disk is full; make room there" in line


BREAKS = """
import huggingface_hub.file_download as client
real = client.http_get
def cut(url, file, **words):
    if "unet/diffusion" in url:
        raise ConnectionResetError(104, "Connection reset by peer")
    real(url, file, **words)
client.http_get = cut
"""


def test_what_came_whole_is_not_fetched_again(hub):
    line = refused(hub, "fetch", ID, before=BREAKS)
    assert "the hub cannot be reached" in line
    code, out, _ = asked(hub, "info", ID)
    assert code == 2, "half a model is none"
    hub.asked.clear()
    code, out, _ = asked(hub, "fetch", ID)
    assert code == 0
    assert "IFPipeline" in out or "pipeline" in out
    got = {path.partition("/resolve/")[2].partition("/")[2] for path in hub.asked if "/resolve/" in path}
    assert "unet/diffusion_pytorch_model.safetensors" in got
    assert "text_encoder/model.safetensors" not in got


def test_half_a_download_is_said(hub):
    refused(hub, "fetch", ID, before=BREAKS)
    assert "is missing; the model folder is not complete" in refused(hub, "info", ID)


def test_causes_are_looked_through():
    """The client wraps what went wrong; rings of causes end."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    outer = LocalEntryNotFoundError("An error happened while trying to locate the files on the Hub")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "the disk is full" in sjc_hub.reason(outer, ID)
    outer.__cause__ = ring = ValueError("x")
    ring.__cause__ = outer
    line = sjc_hub.reason(outer, ID)
    assert line.startswith("An error happened")
    assert line.endswith("on the Hub. Look at the model's page on the hub, or try again later.")
    assert sjc_hub.reason(SjcError("It is off; switch it on."), ID) == "It is off; switch it on."


def test_room_is_that_of_the_disk_where_the_cache_will_be(tmp_path):
    sjc_hub.check_room(tmp_path / "not" / "yet" / "there", 1000)
    with pytest.raises(SjcError, match=r"^1000000\.0 GB are still to be downloaded"):
        sjc_hub.check_room(tmp_path / "not" / "yet", 10**15)


@pytest.mark.parametrize("name", sjc_hub.OFFLINE)
def test_offline_counts_after_the_library_was_imported_too(monkeypatch, name):
    """It reads its variable once; a worker lives longer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for each in sjc_hub.OFFLINE:
        monkeypatch.delenv(each, raising=False)
    sjc_hub.check_online()
    monkeypatch.setenv(name, "1")
    with pytest.raises(SjcError, match="out of reach"):
        sjc_hub.check_online()


def test_a_proxys_certificate_is_no_missing_network():
    error = ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate")
    line = sjc_hub.reason(error, ID)
    assert "SSL_CERT_FILE" in line
    assert "look at the network" not in line


def test_a_token_is_kept_by_the_hubs_own_client_and_shown_to_nobody(hub, monkeypatch, tmp_path):
    """It comes over standard input; the hub is asked whether it knows it."""
    good, bad = "hf_" + "a" * 34, "hf_" + "b" * 34

    def answer(self, body, before=Hub.answer):
        if "whoami" not in self.path:
            return before(self, body)
        if self.headers.get("authorization") == f"Bearer {good}":
            return self.send_json({"type": "user", "name": "somebody", "auth": {"accessToken": {"displayName": "t"}}})
        self.send_response(401)
        self.send_header("Content-Length", "0")
        return self.end_headers()

    monkeypatch.setattr(Hub, "answer", answer)

    def sign_in(words):
        command = [sys.executable, "-m", "sjc", "models", "login", "--json"]
        done = subprocess.run(
            command, env=hub.environment, input=words, capture_output=True, text=True, timeout=120, check=False
        )
        assert good not in done.stdout + done.stderr
        assert bad not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    file = tmp_path / "hub" / "token"
    done = sign_in(bad + "\n")
    assert done.returncode == 2
    assert "The token is not kept: the hub does not know it" in done.stderr
    assert not file.exists()
    assert "No token was given" in sign_in("").stderr
    assert sign_in(f"  {good} \n").returncode == 0
    assert file.read_text("utf-8") == good
