"""A model folder, an adapter or a LoRA from a stranger: none of its Python runs, and nobody is asked whether it may."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from sjc.errors import SjcError
from sjc.machine import standard_input
from sjc.models import lora, model_files, model_list, single_file
from sjc.models.families import FLUX
from tests.backend import tiny_families, tiny_models
from tests.backend.models.test_lora import written

EVIL = "from pathlib import Path\nPath({marker!r}).touch()\nclass Evil: pass\n"
CLASSES = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoFeatureExtractor", "AutoImageProcessor", "AutoProcessor")
# A process of its own with "y" on its standard input, which loads every folder and says what became of it. With
# "unchecked" the folders' own check is left out, so that each library gets its chance.
CHILD = """
import json, sys
from sjc.models import model_files
from sjc.models.autoencoder import load_autoencoder
from sjc.models.loading import load_denoiser
from sjc.errors import SjcError
import torch
from pathlib import Path

if sys.argv[1] == "unchecked":
    model_files._check_programs = lambda *_: None
answers = {}
for folder, lora in json.loads(sys.argv[2]):
    try:
        denoiser = load_denoiser(folder, lora=lora)
        denoiser.prompt_encoder.encode(["a red"]) if hasattr(denoiser.prompt_encoder, "encode") else None
        if (Path(folder) / "vae").exists():
            load_autoencoder(Path(folder) / "vae", "cpu", torch.float32)
        answers[folder] = "loaded"
    except SjcError as error:
        answers[folder] = str(error)
print(json.dumps(answers))
"""


def plant(folder, marker):
    """A program beside every configuration of the folder, which names it in every way that the libraries know."""
    for path in [*folder.rglob("*.json"), folder / "feature_extractor" / "preprocessor_config.json"]:
        path.parent.mkdir(exist_ok=True)
        (path.parent / "evil.py").write_text(EVIL.format(marker=str(marker)))
        config = json.loads(path.read_text()) if path.exists() else {}
        if path.name == "tokenizer.json":
            continue
        config |= {"auto_map": dict.fromkeys(CLASSES, "evil.Evil"), "custom_pipeline": "evil"}
        if path.name == "tokenizer_config.json":
            config["auto_map"]["AutoTokenizer"] = ["evil.Evil", "evil.Evil"]
        path.write_text(json.dumps(config))


def run(arguments, cwd):
    environment = {**os.environ, "SJC_CACHE": str(cwd / "cache"), "HF_HOME": str(cwd / "hub")}
    return subprocess.run(
        [sys.executable, *arguments], input="y\n" * 200, text=True, capture_output=True, cwd=cwd, env=environment,
        check=False, timeout=300,
    )  # fmt: skip


def edit(path, change):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.fixture
def folders(tmp_path):
    """A folder of every family, with programs planted in it: (folder, marker)."""
    made, marker = [], tmp_path / "ran"
    for name in ("stable_diffusion", "sdxl", "sd3", "flux", "ddpm"):
        getattr(tiny_families, name)().save_pretrained(tmp_path / name)
        made.append(tmp_path / name)
    made.append(tiny_models.if_like(tmp_path / "if"))
    for folder in made:
        plant(folder, marker)
    return made, marker


def test_no_loader_runs_a_folders_program_whatever_stands_on_standard_input(folders, tmp_path):
    made, marker = folders
    jobs = json.dumps([(str(folder), "") for folder in made])
    for way in ("checked", "unchecked"):
        done = run(["-c", CHILD, way, jobs], tmp_path)
        assert done.returncode == 0, done.stderr
        assert "trust" not in done.stderr, "a library asked"
        assert not marker.exists(), f"a program ran ({way})"
        answers = json.loads(done.stdout.splitlines()[-1])
        for folder in made:
            answer = answers[str(folder)]
            assert answer == "loaded" if way == "unchecked" else "with the model (auto_map)" in answer, answer


def test_an_unknown_tokenizer_is_one_line_through_the_command_line_too(folders, tmp_path):
    made, marker = folders
    folder = made[0]
    edit(folder / "model_index.json", {"tokenizer": ["evil", "EvilTokenizer"]})
    done = run(["-m", "sjc", "generate", "a red mushroom", "--model", str(folder), "--out", "job"], tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert 'names the class "EvilTokenizer"; only CLIPTokenizer' in line
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("model_index.json", {"tokenizer": ["transformers", "AutoTokenizer"]}, 'names the class "AutoTokenizer"'),
        ("model_index.json", {"vae": ["evil", "Evil"]}, 'names the class "Evil"; only AutoencoderKL'),
        ("model_index.json", {"scheduler": ["evil", "Evil"]}, None),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": "Evil"}, 'names the class "Evil"'),
        ("tokenizer/tokenizer_config.json", {"tokenizer_class": ["Evil"]}, "names the class ['Evil']"),
        ("unet/config.json", {"_class_name": "Evil"}, 'names the class "Evil"; only UNet2DConditionModel'),
        ("vae/config.json", {"_class_name": "Evil"}, 'names the class "Evil"'),
        ("scheduler/scheduler_config.json", {"_class_name": "EvilScheduler"}, 'its scheduler is a "EvilScheduler"'),
        ("text_encoder/config.json", {"auto_map": {"AutoModel": "evil.Evil"}}, "asks to run a program"),
        ("text_encoder/config.json", {"attn_implementation": "evil/kernel"}, 'names the attention "evil/kernel"'),
    ],
)
def test_only_known_classes_are_loaded(tmp_path, name, change, line):
    from sjc.models.loading import load_denoiser

    folder = tmp_path / "model"
    tiny_families.stable_diffusion().save_pretrained(folder)
    edit(folder / name, change)
    if line is None:  # the scheduler's own file says what it is
        load_denoiser(str(folder))
        return
    with pytest.raises(SjcError) as caught:
        load_denoiser(str(folder))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("text_encoder/config.json", {"model_type": [1]}, "model_type is [1]; it must be a text"),
        ("text_encoder/config.json", {"hidden_size": None}, "Validation error for field 'hidden_size'"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": "a\0b"}, "a file is missing or damaged"),
        ("tokenizer/tokenizer_config.json", {"model_max_length": -5}, "a file is missing or damaged"),
        ("unet/config.json", {"act_fn": "\ud800"}, "activation function \\ud800 not found"),
    ],
)
def test_odd_values_of_a_folder_are_one_line_that_can_be_printed(tmp_path, name, change, line):
    from sjc.models.loading import load_denoiser

    folder = tmp_path / "model"
    tiny_families.stable_diffusion().save_pretrained(folder)
    edit(folder / name, change)
    with pytest.raises(SjcError) as caught:
        load_denoiser(str(folder))
    assert line in str(caught.value)
    str(caught.value).encode()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes lie in folders on other systems alone")
@pytest.mark.parametrize(
    "name",
    [
        "model_index.json", "sjc.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json", "tokenizer/tokenizer_config.json", "tokenizer/vocab.json", "tokenizer/added.json",
        "scheduler/scheduler_config.json",
    ],
)  # fmt: skip
def test_a_pipe_among_the_files_of_a_model_is_refused_at_once(tmp_path, name):
    folder = tiny_models.word_model(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(SjcError) as caught:
        model_files.check(folder)
        model_files.read_card(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes lie in folders on other systems alone")
def test_a_pipe_as_a_lora_or_a_checkpoint_is_refused_at_once(tmp_path):
    path = tmp_path / "a.safetensors"
    os.mkfifo(path)
    for look in (lambda: lora.check(str(path)), lambda: single_file.describe(path)):
        with pytest.raises(SjcError, match="a device or a pipe"):
            look()


def test_a_model_that_breaks_every_rule_takes_the_list_of_models_not_down(tmp_path, monkeypatch):
    for name in ("models--a--good", "models--b--bad"):
        folder = tmp_path / name / "snapshots" / "1234"
        folder.parent.mkdir(parents=True)
        tiny_models.word_model(folder)
        (tmp_path / name / "refs").mkdir()
        (tmp_path / name / "refs" / "main").write_text("1234")
    usual = model_files.check

    def check(folder):
        if "bad" in str(folder):
            raise RuntimeError("nobody thought of it")
        return usual(folder)

    monkeypatch.setattr(model_files, "check", check)
    assert {row.model: row.state for row in model_list.rows(tmp_path, tmp_path / "none")} == {
        **dict.fromkeys(model_list.own(), "embedded"), "a/good": "cached", "b/bad": "bad",
    }  # fmt: skip


def test_an_adapter_that_names_another_model_is_refused(tmp_path):
    folder = tiny_models.word_model(tmp_path / "model")
    (folder / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(SjcError, match="makes an adapter of this part"):
        model_files.check(folder)


def test_a_lora_imports_no_module_that_its_description_names(tmp_path):
    """Peft imports `megatron_core`, which a LoRA file may call what it likes."""
    model, marker = tmp_path / "model", tmp_path / "ran"
    tiny_families.flux(distilled=False).save_pretrained(model)
    path = written(tmp_path / "lora", "flux", texts=False)
    (tmp_path / "evil_module.py").write_text(EVIL.format(marker=str(marker)))
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    description = {
        "r": 2, "lora_alpha": 4, "target_modules": ["to_q", "to_v"], "megatron_config": {"a": 1},
        "megatron_core": "evil_module", "auto_mapping": {"parent_library": "evil_module", "base_model_class": "Evil"},
    }  # fmt: skip
    metadata = {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in description.items()})}
    save_file(tensors, path, metadata)
    done = run(["-c", CHILD, "checked", json.dumps([(str(model), str(path))])], tmp_path)
    assert json.loads(done.stdout.splitlines()[-1])[str(model)] == "loaded", done.stderr
    assert not marker.exists()
    assert lora._read(lora.check(str(path))[0], FLUX, {})[2].keys() == {
        f"transformer.{key}" for key in ("r", "lora_alpha", "target_modules")
    }


INPUT = """
import os, sys
from sjc.machine import standard_input
if sys.argv[1] == "take":
    own = os.fdopen(standard_input.take(), "rb")
else:
    block = standard_input.withheld()
    block.__enter__()
try:
    input("May I? ")
    print("answered")
except EOFError:
    print("nothing")
os.system(f"{sys.executable} -c 'import sys; print(len(sys.stdin.read()))'")
if sys.argv[1] == "take":
    print(own.readline())
else:
    block.__exit__(None, None, None)
    print(sys.stdin.readline().encode())
"""


@pytest.mark.parametrize("way", ["take", "withheld"])
def test_standard_input_is_ours_alone(way, tmp_path):
    done = run(["-u", "-c", INPUT, way], tmp_path)
    assert done.stdout.split("May I? ")[1].split() == ["nothing", "0", "b'y\\n'"], done.stderr


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc what a descriptor is")
def test_the_workers_libraries_find_standard_input_empty(tmp_path):
    worker = Path(standard_input.__file__).parents[2] / "sjc_worker.py"
    process = subprocess.Popen(
        [sys.executable, "-u", str(worker), "--fake", "ok"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    try:
        assert json.loads(process.stdout.readline())["type"] == "hello"
        assert str(Path(f"/proc/{process.pid}/fd/0").readlink()) == os.devnull
        process.stdin.write(b'{"type": "shutdown"}\n')
        process.stdin.flush()
        assert process.wait(10) == 0  # and it hears its commands
    finally:
        process.kill()
        process.communicate()
