"""Where parts go by size and room: numbers handed in, and a device that says it is full."""

import pytest
import torch

from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job.advice import advice
from sjc.models import loading, model_files
from sjc.models.memory_plan import ROOM, Plan, free_bytes, plan, plan_for
from sjc.models.placement import Placement, channels_last
from sjc.settings import resolve
from tests.backend import tiny_families, tiny_models

GB = 10**9
PARTS = {"unet": 2 * GB, "text_encoder": GB // 2, "text_encoder_2": GB // 2, "vae": GB // 10}


def test_everything_on_a_device_with_room():
    chosen = plan(PARTS, "cuda", "float16", 24 * GB)
    assert (chosen.network, chosen.texts, chosen.decoder) == (4 * GB, 2 * GB, GB // 5)
    assert chosen.needed == 6 * GB + ROOM, "text encoders go before the autoencoder comes"
    assert not chosen.texts_on_host
    assert not chosen.decoder_on_host
    assert chosen.fits
    assert chosen.sentence() == (
        "cuda, float16: network 4.0 GB, text encoders 2.0 GB, autoencoder 0.2 GB; needs 6.5 GB, free 24.0 GB"
    )


@pytest.mark.parametrize(
    ("free", "texts_on_host", "decoder_on_host", "in_pieces", "fits"),
    [
        (6 * GB + ROOM, False, False, False, True),
        (6 * GB + ROOM - 1, True, False, False, True),
        (4 * GB + GB // 5 + ROOM - 1, True, True, False, True),
        (4 * GB + ROOM - 1, True, True, True, True),
        (4 * GB // 10 + ROOM - 1, True, True, True, False),
    ],
)
def test_the_first_way_that_fits_is_taken(free, texts_on_host, decoder_on_host, in_pieces, fits):
    chosen = plan(PARTS, "cuda", "float16", free)
    ways = (chosen.texts_on_host, chosen.decoder_on_host, chosen.network_in_pieces, chosen.fits)
    assert ways == (texts_on_host, decoder_on_host, in_pieces, fits)
    assert chosen.tight == texts_on_host
    assert ("network 4.0 GB in pieces" in chosen.sentence()) == in_pieces
    assert ("on the CPU" in chosen.sentence()) == texts_on_host
    assert ("too little" in chosen.sentence()) == (not fits)


def test_on_a_cpu_there_is_no_host_beside():
    chosen = plan(PARTS, "cpu", "float32", GB)
    assert chosen.network == 8 * GB
    assert not chosen.texts_on_host
    assert not chosen.fits
    assert not chosen.tight, "what a CPU's system calls free is only a part of what it gives"


def test_what_nobody_knows_fits():
    assert plan(PARTS, "mps", "float32", None).fits
    assert "free unknown" in plan(PARTS, "mps", "float32", None).sentence()
    assert free_bytes("mps") is None


def test_sizes_are_those_that_are_loaded(tmp_path):
    """Numbers from the files' headers alone; float16 on disk counts as what it becomes."""
    pipeline = tiny_families.sdxl()
    pipeline.save_pretrained(tmp_path)
    files = model_files.check(tmp_path)
    for part in ("unet", "text_encoder", "text_encoder_2", "vae"):
        numbers = sum(p.numel() for p in getattr(pipeline, part).parameters())
        assert files.numbers_of[part] == pytest.approx(numbers, rel=0.02), part  # buffers may be saved as well
    chosen = plan_for(files, "cpu", "float32")
    assert chosen.network == 4 * files.numbers_of["unet"]
    assert chosen.free is None or chosen.free > 0


# ------------------------------------------------------------------------------- a device that says it is full


FULL = torch.OutOfMemoryError("CUDA out of memory")


class Full:
    """A part that a device has no room for."""

    dtype = torch.float32

    def __init__(self):
        self.asked = []

    def to(self, device):
        self.asked.append(str(device))
        if str(device) != "cpu":
            raise FULL
        return self

    def enable_group_offload(self, device, offload_type, use_stream):
        self.asked.append((str(device), offload_type, use_stream))


def on_cuda(**plan_):
    """(Placement on a device that is not here, the lines that it tells)."""
    lines = []
    chosen = Plan("cuda", "float16", GB, 0, 0, None, **plan_)
    return Placement(torch.device("cuda"), chosen, lines.append), lines


def test_what_finds_no_room_works_on_the_host():
    placement, lines = on_cuda()
    part = Full()
    assert placement.text_encoder(part) is part
    assert part.asked == ["cuda", "cpu"]
    placement, _ = on_cuda(texts_on_host=True)
    assert placement.text_encoder(Full()).asked == []
    assert lines == []


def test_a_network_without_room_comes_layer_by_layer():
    placement, lines = on_cuda()
    assert placement.network(Full()).asked == ["cuda", "cpu", "cpu", ("cuda", "leaf_level", True)]
    assert placement.in_pieces
    assert len(lines) == len(placement.notes) == 1
    assert "memory was full" in lines[0]
    placement, lines = on_cuda(network_in_pieces=True)
    assert placement.network(Full()).asked == ["cpu", ("cuda", "leaf_level", True)]
    assert lines == []
    assert "in pieces" in placement.notes[0], "planned: told before the run, with the advice"


def folder_of(tmp_path, make=tiny_families.stable_diffusion):
    make().save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize("family", ["stable_diffusion", "sdxl", "sd3", "flux"])
def test_in_pieces_the_network_says_the_same(tmp_path, monkeypatch, family):
    """diffusers' own offloading, from the CPU to the CPU."""
    folder = folder_of(tmp_path, getattr(tiny_families, family))
    whole = loading.load_denoiser(folder)
    tight = Plan("cuda", "float32", GB, 0, 0, 0, True, True, True)
    monkeypatch.setattr(loading, "plan_for", lambda *_: tight)
    pieces = loading.load_denoiser(folder)
    assert pieces.placement.in_pieces
    assert any("in pieces" in line for line in advice(resolve("paper", {"prompt": "x"}), pieces))
    x, sigma = torch.randn(2, 4, 8, 8), torch.tensor([0.5, 3.0])
    ask = [d.conditioned(["a red mushroom"], "", 3.0)(x, sigma) for d in (whole, pieces)]
    assert torch.equal(*ask)
    assert pieces.device == torch.device("cpu")
    hooked = [m for m in pieces.unet.modules() if hasattr(m, "_diffusers_hook")]
    assert len(hooked) > 10


class Greedy:
    """A network that has room for `room` pictures at once; sizes: what it was asked."""

    def __init__(self, network, room):
        self.network, self.room, self.sizes = network, room, []

    def __call__(self, x, t, condition, guidance):
        self.sizes.append(len(x))
        if len(x) > self.room:
            raise FULL
        return self.network(x, t, condition, guidance)


def test_a_step_that_finds_no_room_goes_in_smaller_parts(tmp_path, capsys):
    denoiser = loading.load_denoiser(folder_of(tmp_path))
    x, sigma = torch.randn(3, 4, 8, 8), torch.tensor([0.5, 3.0, 1.0])
    denoise = denoiser.conditioned(["a", "red", "mushroom"], "", 3.0)
    expected = denoise(x, sigma)
    greedy = denoiser.network = Greedy(denoiser.network, 2)
    torch.testing.assert_close(denoise(x, sigma), expected)
    assert greedy.sizes == [6, 3, 1, 1, 1, 1, 1, 1], "six rows, halved until they fit"
    assert [line.rpartition("now on ")[2] for line in denoiser.notes] == [
        "3 of a step's pictures go through the network at a time.",
        "1 of a step's pictures go through the network at a time.",
    ]
    assert capsys.readouterr().err.count("sjc: The device's memory was full") == 2
    greedy.sizes.clear()
    denoise(x, sigma)
    assert greedy.sizes == [1] * 6, "what was learned is kept"


def test_a_job_says_once_what_its_model_notes(tmp_path, capsys):
    """As a warning; the model itself stays silent then."""
    from sjc import settings
    from sjc.job import run

    words = {"preset": "test", "prompt": "a red mushroom", "model": str(folder_of(tmp_path)), "rgb_grid": False}
    given = settings.resolve(None, words)
    job_folder.prepare_folder(tmp_path / "job", given)
    one = run.JobRun(tmp_path / "job", given)
    one.load()
    one.denoiser.network = Greedy(one.denoiser.network, 1)
    record = one.run()
    assert [line for line in record["warnings"] if "memory was full" in line] == one.denoiser.notes
    assert len(one.denoiser.notes) == 1
    assert "memory was full" not in capsys.readouterr().err


def test_at_the_end_of_all_ways_stands_one_line(tmp_path):
    denoiser = loading.load_denoiser(folder_of(tmp_path))
    denoiser.network = Greedy(denoiser.network, 0)
    with pytest.raises(SjcError, match="not enough memory even for one view") as caught:
        denoiser.conditioned(["a"], "", 3.0)(torch.randn(1, 4, 8, 8), torch.ones(1))
    assert "\n" not in str(caught.value)
    assert denoiser.placement.in_pieces


def test_sentences_are_read_fewer_at_a_time_then_on_the_host(tmp_path):
    prompts = loading.load_denoiser(folder_of(tmp_path)).prompt_encoder
    fresh = [f"a red mushroom {'a ' * i}" for i in range(6)]
    expected = prompts.conditions(fresh)
    prompts._encoded.clear()
    real, sizes = prompts.scheme, []

    def scheme(texts):
        sizes.append(len(texts))
        if len(sizes) < 3:
            raise FULL
        return real(texts)

    prompts.scheme = scheme
    torch.testing.assert_close(prompts.conditions(fresh), expected)
    assert sizes == [6, 4, 4, 2]
    assert prompts.text_encoders[0].module.device.type == "cpu"


def test_pictures_are_decoded_one_by_one_then_in_tiles_then_on_the_host(tmp_path):
    denoiser = loading.load_denoiser(folder_of(tmp_path))
    vae = denoiser.autoencoder
    latents = torch.randn(6, 4, 4, 4)
    expected = vae.decode(latents)
    real, tried = vae.vae.decode, []

    def decode(part):
        tried.append((len(part), vae.vae.use_tiling))
        if len(tried) < 4:
            raise FULL
        return real(part)

    vae.vae.decode = decode
    torch.testing.assert_close(vae.decode(latents), expected)
    assert tried[:4] == [(4, False), (1, False), (1, True), (1, True)]
    assert [line.rpartition("autoencoder ")[2] for line in denoiser.notes] == [
        "takes one picture at a time.", "takes pictures in tiles.", "works on the CPU.",
    ]  # fmt: skip


def test_the_autoencoder_stays_on_the_host_when_there_is_no_room(tmp_path, monkeypatch):
    from sjc.models import autoencoder

    denoiser = loading.load_denoiser(folder_of(tmp_path))
    real, asked = autoencoder.load_autoencoder, []

    def load(folder, device, dtype, tell):
        asked.append(str(device))
        if len(asked) == 1:
            raise FULL
        return real(folder, device, dtype, tell)

    monkeypatch.setattr(autoencoder, "load_autoencoder", load)
    assert denoiser.autoencoder.decode(torch.zeros(1, 4, 4, 4)).isfinite().all()
    assert asked == ["cpu", "cpu"]
    assert "autoencoder works on the CPU" in denoiser.notes[0]


@pytest.mark.parametrize(
    ("device", "dtype", "last"),
    [
        ("cuda", torch.float16, True),
        ("cuda", torch.bfloat16, True),
        ("cuda", torch.float32, False),
        ("cpu", torch.float16, False),
    ],
)
def test_convolutions_in_half_precision_have_channels_last(device, dtype, last):
    network = channels_last(tiny_models.tiny_unet(), torch.device(device), dtype)
    assert network.conv_in.weight.is_contiguous(memory_format=torch.channels_last) == last
