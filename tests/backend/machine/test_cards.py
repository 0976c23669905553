"""Which card is here, whether torch's build runs on it, and what is said where it does not."""

import subprocess
from types import SimpleNamespace

import pytest
import torch

from sjc import doctor, errors
from sjc.errors import SjcError
from sjc.machine import cards
from sjc.machine.devices import choose_device

CU126 = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]
CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize(
    ("capability", "built", "fits"),
    [
        ((8, 6), CU126, True),
        ((8, 9), CU126, True),  # an RTX 4090 runs the kernels for 8.6
        ((12, 0), CU126, False),  # an RTX 5090 is newer
        ((12, 1), CU130, True),
        ((13, 0), CU130, True),  # by the intermediate code for 12.0
        ((6, 1), CU130, False),  # a GTX 1080 is older
        ((3, 5), CU126, False),
        ((9, 0), ["sm_90a"], True),
        ((8, 0), ["sm_86"], False),
        ((8, 6), [], False),
    ],
)
def test_kernels_fit(capability, built, fits):
    assert cards.kernels_fit(capability, built) == fits


@pytest.fixture
def card(monkeypatch):
    """A CUDA device for this torch: card(name, (major, minor), kernels)."""

    def make(name, capability, built, arch=""):
        properties = SimpleNamespace(name=name, major=capability[0], minor=capability[1], gcnArchName=arch)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: properties)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    return make


@pytest.fixture
def system(monkeypatch):
    """A computer whose torch sees no card: system(torch's CUDA version, nvidia-smi's answer, makers)."""

    def make(cuda=None, answer=None, makers=(), status=0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(cards.shutil, "which", lambda name: name if answer is not None else None)
        done = subprocess.CompletedProcess([], status, answer or "", "")
        monkeypatch.setattr(cards.subprocess, "run", lambda *_, **__: done)
        monkeypatch.setattr(cards, "makers", lambda: set(makers))

    return make


def device_line(in_blender=False):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(errors, "in_blender", in_blender)
        return next(line for line in doctor.checks() if line["name"] == "device")


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:0"])
def test_a_card_without_kernels_is_refused_with_advice(card, name):
    card("NVIDIA GeForce RTX 5090", (12, 0), CU126)
    with pytest.raises(SjcError, match=r"RTX 5090 \(sm_120\) is not among .* sm_90\.") as refused:
        choose_device(name)
    assert refused.value.code == "card"


def test_a_card_with_kernels_is_taken(card):
    card("NVIDIA GeForce RTX 4090", (8, 9), CU126)
    assert choose_device("auto").type == "cuda"
    assert cards.unused() is None


def test_the_doctor_compares_the_card_with_the_build(card):
    card("NVIDIA GeForce GTX 1080", (6, 1), CU130)
    line = device_line()
    assert (line["ok"], line["code"]) == (False, "card")
    assert "GTX 1080 (sm_61)" in line["text"]
    assert "--device cpu" in line["text"]
    assert "Install Backend" in device_line(in_blender=True)["text"]
    assert "--" not in device_line(in_blender=True)["text"]


def test_rocm_names_its_kernels_otherwise(card, monkeypatch):
    monkeypatch.setattr(torch.version, "hip", "6.4")
    card("AMD Radeon RX 7900", (11, 0), ["gfx90a", "gfx1100"], "gfx1100:sramecc+:xnack-")
    assert cards.unfit() is None
    card("AMD Radeon RX 6600", (10, 3), ["gfx90a", "gfx1100"], "gfx1032")
    assert "gfx1032" in cards.unfit().fact


def test_a_driver_that_is_too_old_is_no_cpu_build(system):
    system("13.0", "NVIDIA GeForce RTX 3060, 470.256.02\n")
    line = device_line()
    assert (line["ok"], line["code"]) == (False, "driver")
    assert "RTX 3060" in line["text"]
    assert "470.256.02" in line["text"]
    assert "CPU build" not in line["text"]
    assert "NVIDIA's page" in device_line(in_blender=True)["text"]


def test_a_driver_that_does_not_answer_is_named(system):
    words = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    system("13.0", words, status=9)
    assert device_line()["code"] == "driver"
    system("13.0", "No devices were found", status=6)
    assert device_line()["ok"]


def test_a_cpu_build_beside_a_card_is_named(system):
    system(None, "NVIDIA GeForce RTX 3060, 580.01\n")
    line = device_line()
    assert (line["ok"], line["code"]) == (False, "card")
    assert "is a CPU build" in line["text"]
    assert "Automatic" in device_line(in_blender=True)["text"]


@pytest.mark.parametrize(
    ("makers", "words"),
    [(["Intel"], "does not compute on those"), (["AMD"], "AMD"), (["AMD", "Intel"], "AMD"), ([], "")],
)
def test_cards_of_other_makers_get_a_line_and_nothing_is_wrong(system, makers, words):
    system(makers=makers)
    line = device_line()
    assert line["ok"]
    assert words in line["text"]
    assert ("CPU computes" in line["text"]) == bool(makers)


def test_intels_device_is_named(system, monkeypatch):
    system()
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "get_device_name", lambda _index: "Intel(R) Arc(TM) A770")
    assert "A770 is here, and this program does not compute on those." in device_line()["text"]


def test_makers_are_read_from_the_system(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "DRM", tmp_path)
    monkeypatch.setattr(cards.sys, "platform", "linux")
    for number, vendor in enumerate(("0x8086", "0x10DE", "0x1234")):
        folder = tmp_path / f"card{number}" / "device"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(vendor + "\n")
    assert cards.makers() == {"Intel", "NVIDIA"}


@pytest.mark.parametrize(("device", "hip"), [("cuda", "6.4"), ("mps", None), ("xpu", None)])
def test_other_makers_cards_take_the_readable_renderer(monkeypatch, device, hip):
    from sjc.field.render import choose

    monkeypatch.setattr(torch.version, "hip", hip)
    assert choose("auto", device) == "reference"
    with pytest.raises(SjcError, match="warp has no kernels for"):
        choose("warp", device)


@pytest.mark.parametrize(("device", "warned"), [("auto", True), ("cpu", False)])
def test_a_job_that_leaves_a_card_idle_says_so(system, device, warned):
    from sjc.job.advice import advice
    from sjc.settings import resolve

    model = SimpleNamespace(
        device=torch.device("cpu"), distilled=None, card={"x": 1}, parameterization=SimpleNamespace(is_flow=False)
    )
    system("13.0", "NVIDIA GeForce RTX 3060, 470.256.02\n")
    lines = advice(resolve("test", {"prompt": "x", "device": device}), model)
    assert any("This job runs on the CPU" in line for line in lines) == warned
    system(makers=["Intel"])
    assert advice(resolve("test", {"prompt": "x"}), model) == [], "nobody can do anything about it"
