"""Every text of the interface has a Korean one, and no Korean one is left over."""

import importlib.util
import re
from pathlib import Path

_spec = importlib.util.spec_from_file_location("ui_texts", Path(__file__).with_name("ui_texts.py"))
ui_texts = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(ui_texts)

# The same in every language: formulas, names.
SAME = {
    "1",
    "1/sigma",
    "1/sigma^2",
    "1/mean",
    "sigma/(1+sigma^2)",
    "Adam",
    "AdaMax",
    "NVIDIA (CU126)",
    "SJC",
    "NVIDIA (CU128)",
    "NVIDIA (CU130)",
    "AMD (ROCm 6.4)",
}

DOCTOR = (
    "torch: 2.13.0+cpu",
    "device: RTX 9 is here, but torch 2.13.0+cpu is a CPU build.",
    "Press Install Backend and leave Automatic, which chooses the build that fits the card.",
    "memory: 1.5 GiB free; 2 are needed: close other programs.",
    "token: There is none; only gated models need one.",
    "Only accounts that have accepted their terms may download some/model.",
)

SWITCH_ON = "import sjc_blender\nsjc_blender.register()\n"


def test_every_text_has_a_korean_one(in_blender):
    got = in_blender(
        SWITCH_ON
        + ui_texts.REGISTERED
        + """
from sjc_blender.ui.languages import translations
result = {"texts": texts, "korean": {text: korean for (context, text), korean in translations.table()["ko_KR"].items()}}
"""
    )
    needed = {**ui_texts.in_sources(), **got["texts"]}
    assert len(needed) > 250
    missing = {text: where for text, where in needed.items() if text not in got["korean"] and text not in SAME}
    assert not missing, "\n" + "\n".join(f"{where}: {text!r}" for text, where in missing.items())
    left_over = set(got["korean"]) - set(needed)
    assert not left_over
    for text, translation in got["korean"].items():
        assert sorted(re.findall(r"\{\w*\}", text)) == sorted(re.findall(r"\{\w*\}", translation)), text
        assert text.endswith(".") == translation.endswith("."), text


def test_a_forgotten_text_would_be_noticed(tmp_path):
    import ast

    source = """
NOTE = "One sentence of advice"
class SJC_OT_x:
    bl_idname, bl_label = "sjc.x", "Some Button"
    states, reason = ("a",), "Some reason"
    def draw(self, layout):
        layout.label(text="A label" if layout else "Another label", icon="NONE")
        layout.label(text=iface_("Step {}").format(3), translate=False)
        self.poll_message_set("Not now")
        raise SjcError(f"not {self} this")
"""
    texts = {text for text, _ in ui_texts._drawn(ast.parse(source))}
    assert texts == {
        "One sentence of advice",
        "Some Button",
        "Some reason",
        "A label",
        "Another label",
        "Step {}",
        "Not now",
    }


def test_a_forgotten_error_of_the_engine_would_be_noticed():
    import ast

    source = """
raise SjcError("A plain sentence.")
raise errors.SjcError(f"{name!r} cannot be {done}." + " Do this.")
raise SjcError(message)
raise ValueError("not shown")
warnings.append(f"Only {share} is left.")
note = ["A thing to know."]
"""
    texts = {text for text, _ in ui_texts.raised(ast.parse(source))}
    assert texts == {"A plain sentence.", "{} cannot be {}. Do this.", "Only {} is left.", "A thing to know."}


def test_sentences_in_pieces_are_still_raised():
    """Every run of words between gaps and punctuation stands in the file that puts the sentence together."""
    for name, texts in ui_texts.BUILT.items():
        source = (ui_texts.ENGINE / name).read_text("utf-8")
        for text in texts:
            missing = [run for run in re.findall(r"\w[\w -]*\w", text) if run not in source]
            assert not missing, (name, text)


def test_blender_takes_and_gives_back_the_table(in_blender):
    got = in_blender(
        SWITCH_ON
        + """
from sjc_blender.ui.languages import translations
first = translations.table()
sjc_blender.unregister()
sjc_blender.register()
sjc_blender.unregister()
result = {"languages": list(first), "contexts": sorted({context for context, _ in first["ko_KR"]})}
"""
    )
    assert got == {"languages": ["ko_KR"], "contexts": ["*", "Operator"]}


def test_the_doctor_speaks_the_language_of_the_interface(in_blender):
    """Its names and its sentences, in the panel as it draws them; versions and names of cards stay."""
    got = in_blender(
        SWITCH_ON
        + """
from types import SimpleNamespace
from sjc_blender.ui import paragraph
from sjc_blender.ui.languages.korean import KOREAN
from sjc_blender.ui.languages.messages import translated_in
from sjc_blender.ui.panels import backend

backend.translated = paragraph.translated = lambda message: translated_in("ko_KR", message)
backend.iface_ = lambda text: KOREAN.get(text, text)
paragraph.columns = lambda *_: 500
drawn = []
layout = SimpleNamespace(label=lambda text, **_: drawn.append(text), column=lambda **_: layout)
backend._draw_checks(layout, bpy.context, given["lines"])
result = drawn
""",
        lines="\n".join(DOCTOR),
    )
    assert got[0] == "torch: 2.13.0+cpu"
    assert got[1].startswith("장치: RTX 9 이(가)")
    assert "2.13.0+cpu" in got[1]
    assert got[3].startswith("메모리: 1.5 GiB")
    assert got[4].startswith("토큰: ")
    assert "some/model" in got[5]
    for line in got[1:]:
        assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", line), line


def test_a_reason_within_a_message_is_translated_too(in_blender):
    got = in_blender(
        SWITCH_ON
        + """
from sjc_blender.ui.languages.messages import translated_in
card = "RTX 9 is here, but torch 2.1 is a CPU build."
texts = [f"{card} This job runs on the CPU; Check under Backend says what to do.", "Some one. cannot be shown: x y z"]
result = [translated_in("ko_KR", text) for text in texts]
"""
    )
    assert "is here" not in got[0]
    assert "CPU용 빌드입니다. 이 작업은" in got[0]
    assert "Some one." in got[1]


def test_errors_are_shown_in_the_language_of_the_interface(in_blender):
    """Sentences with gaps, raised in rooms that know no Blender: what stands in the gaps stays.

    The wheels have English alone, so the language is named here.
    """
    got = in_blender(
        SWITCH_ON
        + """
from sjc_blender.ui.languages.messages import translated, translated_in
from sjc_blender.backend.sjc import settings
from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.problems import of_exit
try:
    settings.resolve(None, {"steps": -3, "grid": "many"})
except SjcError as error:
    bad = str(error)
crash = of_exit(-11, ["last words"]).text
result = {"english": [translated(bad), translated(crash)], "raw": [bad, crash]}
result["korean"] = [translated_in("ko_KR", text) for text in (bad, crash, "nothing of ours", "The disk is full.")]
from sjc_blender.backend.sjc.models import model_files
try:
    model_files.locate("nowhere at all")
except SjcError as error:
    result["engine"] = translated_in("ko_KR", str(error))
knows = 'The embedded model does not know "dragn" (did you mean "dragon"?); it knows objects: dragon, cat; colors: red.'
bigger = " For other words choose a bigger model, such as a/b from the Hugging Face hub."
result["batch"] = translated_in("ko_KR", "line 3: " + bad.splitlines()[0])
result["unknown"] = translated_in("ko_KR", knows + bigger)
"""
    )
    assert got["english"] == got["raw"]
    steps, grid = got["korean"][0].splitlines()
    assert "범위를 벗어났습니다" in steps
    assert steps.startswith("steps: -3")
    assert "정수가 아닙니다" in grid
    assert got["batch"] == f"3번째 줄: {steps}"
    assert "many" in grid
    assert got["korean"][1] == '작업자가 비정상 종료되었습니다 (SIGSEGV): "last words"'
    assert got["korean"][2] == "nothing of ours"
    assert got["engine"].startswith('모델 폴더 "nowhere at all" 이(가) 없습니다.')
    assert (
        '"dragn" 을(를) 모릅니다 ("dragon" 을(를) 뜻했나요?). 아는 단어: objects: dragon, cat; colors: red.'
        in got["unknown"]
    )
    assert got["korean"][3] not in ("", "The disk is full.")
