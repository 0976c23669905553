"""The list of LoRA files in Blender: it follows the setting, and writes it."""

import json
import struct
import sys
from pathlib import Path

RECORDER = Path(__file__).with_name("recorder.py").read_text("utf-8")

ON = """
import os
from pathlib import Path
import sjc_blender

home = Path(given["home"])
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
sjc_blender.register()
from sjc_blender.ui import loras, model_picker, properties
from sjc_blender.ui.panels import settings
scene = bpy.context.scene

def refused(call, **named):
    try:
        call(**named)
    except RuntimeError as error:
        return str(error).strip()
    return ""

def rows():
    return [[entry.path, round(entry.weight, 4)] for entry in scene.sjc_loras]
"""


def lora_file(path, name="unet.down.lora_A.weight"):
    """A whole safetensors file of one number."""
    header = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    return path


def test_rows_and_text_follow_each_other(in_blender, tmp_path):
    one, two = lora_file(tmp_path / "felt.safetensors"), lora_file(tmp_path / "clay.safetensors")
    lora_file(tmp_path / "a,b.safetensors")
    lora_file(tmp_path / "other.safetensors", "unet.weight")
    got = in_blender(
        ON
        + RECORDER
        + """
result = {"empty": rows()}
bpy.ops.sjc.add_lora(filepath=given["one"])
bpy.ops.sjc.add_lora(filepath=given["two"])
result["added"] = [scene.sjc.lora, rows()]
scene.sjc_loras[1].weight = 0.6
result["weighed"] = [scene.sjc.lora, properties.settings_from(scene)["lora"]]
result["shown"] = [draw(settings.SJC_PT_settings, bpy.context).operators()]
bpy.ops.sjc.remove_lora(index=0)
result["removed"] = [scene.sjc.lora, rows()]
scene.sjc.lora = given["one"] + ":-1.5"
result["typed"] = rows()
scene.sjc.lora = "felt:much"
result["nonsense"] = rows()
result["refused"] = [
    refused(bpy.ops.sjc.add_lora, filepath=str(home / name))
    for name in ("none.safetensors", "a,b.safetensors", "other.safetensors")
] + [refused(bpy.ops.sjc.add_lora), refused(bpy.ops.sjc.remove_lora, index=5)]
""",
        home=tmp_path,
        backend=sys.executable,
        one=str(one),
        two=str(two),
    )
    assert got["empty"] == []
    assert got["added"] == [f"{one}, {two}", [[str(one), 1], [str(two), 1]]]
    assert got["weighed"] == [f"{one}, {two}:0.6"] * 2
    assert got["shown"][0].count("sjc.remove_lora") == 2
    assert "sjc.add_lora" in got["shown"][0]
    assert got["removed"] == [f"{two}:0.6", [[str(two), 0.6]]]
    assert got["typed"] == [[str(one), -1.5]]
    assert got["nonsense"] == []
    there, comma, other, nothing, index = got["refused"]
    assert "There is no LoRA file" in there
    assert "comma" in comma
    assert "is not a LoRA" in other
    assert "No file is chosen" in nothing
    assert "no such LoRA" in index


def test_the_memory_of_the_chosen_model(in_blender, tmp_path):
    got = in_blender(
        ON
        + """
from sjc_blender.models import lookup
numbers = {"unet": 1_000_000_000, "text_encoder": 2_000_000_000, "vae": 10}
info = lookup.ModelInfo("folder", home, size=7_000_000_000, numbers=numbers)
card = "cuda:0 (NVIDIA Thing 80GB, {} GB)"
result = [
    model_picker.memory_note(info, device, backend)
    for device, backend in (
        ("auto", card.format(24)), ("auto", card.format(3)), ("auto", card.format(1)), ("auto", card.format(0)),
        ("auto", "mps"), ("cpu", card.format(24)),
    )
]
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got[0] == [True, "Needs 6.5 GB of memory, 25.8 GB available"]
    assert got[1] == [True, "Needs 2.5 GB of memory, 3.2 GB available: text encoders run on the CPU"]
    assert got[2][0] is True
    assert got[2][1].endswith("the network is loaded layer by layer, which is slow")
    assert got[3][0] is False
    assert "too little" in got[3][1]
    assert got[4] == [True, "Needs 6.5 GB of memory"]
    assert got[5][1].startswith("Needs 12.5 GB of memory, ")


def test_the_words_that_a_file_answers_to_stand_below_its_row(in_blender, tmp_path):
    path = tmp_path / "felt.safetensors"
    about = {"modelspec.trigger_phrase": "felt toy, soft"}
    tensors = {"unet.down.lora_A.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps({"__metadata__": about, **tensors}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    got = in_blender(
        ON
        + RECORDER
        + """
scene.sjc.lora = given["felt"] + ", nowhere.safetensors"
result = {"words": [entry.words for entry in scene.sjc_loras]}
path = Path(given["felt"])
path.unlink()  # drawing reads no file
result["drawn"] = [text for text in draw(settings.SJC_PT_settings, bpy.context).texts() if "felt toy" in text]
""",
        home=tmp_path,
        backend=sys.executable,
        felt=str(path),
    )
    assert got["words"] == ["felt toy, soft", ""]
    assert got["drawn"] == ["Words: felt toy, soft"]
