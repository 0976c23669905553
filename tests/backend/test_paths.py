"""Paths as people paste them; Windows' rules are tried here by ntpath and PureWindowsPath, whatever the system."""

import ntpath
import os
from pathlib import Path, PureWindowsPath

import pytest

from sjc import cli, lora_text, paths, settings
from sjc.errors import SjcError
from sjc.models import lora, model_files

HOME = {
    "HOME": "/home/a b",
    "USERPROFILE": r"D:\people\A B",
    "MODELS": "/data/models",
    "APPDATA": r"D:\people\A B\Roaming",
}


def posix(text, **more):
    return str(paths.user_path(text, environment=HOME, windows=False, **more))


def windows(text):
    return str(PureWindowsPath(str(paths.user_path(text, environment=HOME, windows=True))))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/data/model", "/data/model"), ("  /data/model \n", "/data/model"), ('"/data/my model"', "/data/my model"),
        ("'/data/model'", "/data/model"), ('" \'/data/model\' "', "/data/model"),
        ("\u202a/data/model\u200b", "/data/model"),
        ("~/model", "/home/a b/model"), ("~", "/home/a b"), ("$HOME/model", "/home/a b/model"),
        ("${HOME}/x", "/home/a b/x"), ("$MODELS", "/data/models"), ("%MODELS%/x", "/data/models/x"),
        ("$NOT_SET/x", "$NOT_SET/x"), ("50%off%", "50%off%"), ("/a/~/b", "/a/~/b"),
        ("file:///data/my%20model", "/data/my model"), ("models/x/", "models/x"), ("model.", "model."),
        ("C:model", "C:model"), ("nul", "nul"),
    ],
)  # fmt: skip
def test_what_a_person_means(text, meant):
    assert posix(text) == meant


def test_blenders_own_sign_for_beside_the_file():
    assert posix("//models/x", blend=Path("/work/scene")) == "/work/scene/models/x"
    assert posix('"//../x"', blend=Path("/work/scene")) == "/work/scene/../x"
    assert posix("/models/x", blend=Path("/work/scene")) == "/models/x"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (r'"C:\models\my model"', r"C:\models\my model"), ("\u202aC:\\models\\x", r"C:\models\x"),
        (r"%USERPROFILE%\x", r"D:\people\A B\x"), (r"~\x", r"D:\people\A B\x"), ("~/x", r"D:\people\A B\x"),
        ("$APPDATA/x", r"D:\people\A B\Roaming\x"), (r"C:\models\sd15.", r"C:\models\sd15"),
        (r"C:\models.\sd15. . ", r"C:\models\sd15"), (r"..\x\.", r"..\x"), (r"\\server\share\x", r"\\server\share\x"),
        (r"\\?\C:\models\x", r"\\?\C:\models\x"), ("C:/models/x", r"C:\models\x"), ("C:", "C:"),
        ("file:///C:/my%20models/x", r"C:\my models\x"), (r"D:\console\nullify\com10", r"D:\console\nullify\com10"),
    ],
)  # fmt: skip
def test_on_windows(text, meant):
    assert windows(text) == meant
    assert ntpath.normpath(meant) == ntpath.normpath(windows(text))


@pytest.mark.parametrize(
    "name", ["con", "NUL", r"C:\x\aux", r"C:\nul.safetensors", r"C:\com1\x", r"lpt9.txt", "COM\u00b9"]
)
def test_names_of_devices_are_refused_on_windows(name):
    with pytest.raises(SjcError, match="Windows keeps the name"):
        paths.on_windows(name)


def test_a_drive_without_a_folder_is_refused_on_windows():
    with pytest.raises(SjcError, match=r"C:model leaves out the folder on drive C: .* write C:\\model\."):
        paths.on_windows("C:model")


def test_a_folder_whose_files_would_get_too_long_for_windows():
    folder = Path("/" + "a" * 198)
    paths.check_length(folder, 59, windows=True)
    paths.check_length(folder, 60, windows=False)
    with pytest.raises(SjcError, match="too long a path for Windows: with the files in it 260 characters"):
        paths.check_length(folder, 60, windows=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://huggingface.co/owner/name", "owner/name"), ("http://www.huggingface.co/owner/name/", "owner/name"),
        ("huggingface.co/owner/na.me?library=diffusers", "owner/na.me"), ("https://hf.co/owner/name", "owner/name"),
        ("https://huggingface.co/owner/name/tree/main", "owner/name"),
        ("https://huggingface.co/owner/name/tree/fp16#files", "owner/name@fp16"),
        ('" owner/name "', "owner/name"), ("owner/name@v1", "owner/name@v1"), ("embedded", "embedded"),
    ],
)  # fmt: skip
def test_an_address_of_the_hub_is_a_model(text, name):
    assert settings.resolve(None, {"model": text}).model == name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("https://huggingface.co/owner/name/blob/main/model.safetensors", "is one file on the hub"),
        ("https://huggingface.co/datasets/owner/name", "is a web address"),
        ("https://example.com/model.safetensors", "is a web address; download the file and choose it"),
    ],
)
def test_other_addresses(text, line, capsys):
    with pytest.raises(SjcError, match=line):
        settings.resolve(None, {"model": text})
    assert cli.main(["models", "info", text]) == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("address", ["s3://bucket/results", "gs://bucket", '"https://example.com/a"'])
def test_an_address_is_no_folder(address, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", "a red cube", "--out", address])
    assert ended.value.code == 2
    assert "mount that storage as a folder" in capsys.readouterr().err
    assert paths.local_path(r"C:\results") == paths.user_path(r"C:\results")


def test_every_door_reads_paths_alike(tmp_path, monkeypatch):
    folder = tmp_path / "my model"
    folder.mkdir()
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for text in (f'"{folder}"', "$PLACE/my model", "~/my model", f"file://{tmp_path}/my%20model", "%PLACE%/my model"):
        assert model_files.locate(settings.resolve(None, {"model": text}).model) == folder
        (one,) = lora_text.parse(f"{text}:0.5")
        assert (one.path, one.weight) == (folder, 0.5)


def test_a_name_with_other_capitals_is_pointed_out(tmp_path):
    (tmp_path / "Models" / "SD15").mkdir(parents=True)
    (tmp_path / "Felt.safetensors").touch()
    if (tmp_path / "models").exists():
        pytest.skip("a disk that does not tell capitals apart")
    with pytest.raises(SjcError, match=f"but there is {tmp_path}/Models/SD15: write it with the same letters"):
        model_files.locate(str(tmp_path / "models" / "sd15"))
    with pytest.raises(SjcError, match=f"but there is {tmp_path}/Felt.safetensors"):
        lora.check(str(tmp_path / "felt.safetensors"))
    assert paths.near(tmp_path / "other") is None
    assert paths.near(tmp_path / "Models") is None


def test_relative_to_a_blend_file_that_nobody_knows():
    with pytest.raises(SjcError, match=r"relative to a \.blend file, which is not known here"):
        model_files.locate("//models/nowhere")


def test_a_model_folder_that_nobody_may_write_to(tmp_path):
    import shutil

    folder = shutil.copytree(model_files.EMBEDDED, tmp_path / "model")
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert model_files.check(model_files.locate(str(folder))).folder == folder
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if os.path.isdir(path) else 0o644)  # noqa: PTH112
