"""The pointer NAME.sjc: names what exists, survives a move, and never leads out of its folder."""

import json

import pytest

from sjc.errors import SjcError
from sjc.job.pointer import read_pointer, write_pointer


def test_pointer_names_what_is_there_and_survives_a_move(tmp_path):
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "mesh.glb").touch()
    (folder / "field.vdb").touch()
    path = write_pointer(folder, "a red mushroom")
    assert path.name == "a-red-mushroom.sjc"
    moved = folder.rename(tmp_path / "elsewhere")
    pointer = read_pointer(moved / path.name)
    assert pointer["prompt"] == "a red mushroom"
    assert pointer["files"] == {"volume": moved / "field.vdb", "mesh": moved / "mesh.glb"}


@pytest.mark.parametrize("name", ["../secret.vdb", "/etc/passwd"])
def test_pointer_out_of_its_folder_is_refused(tmp_path, name):
    (tmp_path / "x.sjc").write_text(json.dumps({"sjc": 1, "files": {"volume": name}}))
    with pytest.raises(SjcError, match="outside its folder"):
        read_pointer(tmp_path / "x.sjc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a .sjc file"),
        ("{}", "not a .sjc file"),
        ('{"sjc": 2, "files": {}}', "newer version"),
        ("x", "as JSON"),
    ],
)
def test_foreign_pointer_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "x.sjc").write_text(text)
    with pytest.raises(SjcError, match=message):
        read_pointer(tmp_path / "x.sjc")
