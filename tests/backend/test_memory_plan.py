"""Where parts go by size and room: numbers handed in, and a device that says it is full."""

import pytest
import torch

from sjc.guidance import loading, model_files
from sjc.guidance.memory_plan import ROOM, free_bytes, plan, plan_for
from tests.backend import tiny_families

GB = 10**9
PARTS = {"unet": 2 * GB, "text_encoder": GB // 2, "text_encoder_2": GB // 2, "vae": GB // 10}


def test_everything_on_a_device_with_room():
    found = plan(PARTS, "cuda", "float16", 24 * GB)
    assert (found.network, found.texts, found.decoder) == (4 * GB, 2 * GB, GB // 5)
    assert found.needed == 6 * GB + ROOM, "text encoders go before the autoencoder comes"
    assert not found.texts_on_host
    assert not found.decoder_on_host
    assert found.fits
    assert found.sentence() == (
        "cuda, float16: network 4.0 GB, text encoders 2.0 GB, autoencoder 0.2 GB; needs 6.5 GB, free 24.0 GB"
    )


@pytest.mark.parametrize(
    ("free", "texts_on_host", "decoder_on_host", "fits"),
    [
        (6 * GB + ROOM, False, False, True),
        (6 * GB + ROOM - 1, True, False, True),
        (4 * GB + GB // 5 + ROOM - 1, True, True, True),
        (4 * GB + ROOM - 1, True, True, False),
    ],
)
def test_the_first_way_that_fits_is_taken(free, texts_on_host, decoder_on_host, fits):
    found = plan(PARTS, "cuda", "float16", free)
    assert (found.texts_on_host, found.decoder_on_host, found.fits) == (texts_on_host, decoder_on_host, fits)
    assert ("on the CPU" in found.sentence()) == texts_on_host
    assert ("too little" in found.sentence()) == (not fits)


def test_on_a_cpu_there_is_no_host_beside():
    found = plan(PARTS, "cpu", "float32", GB)
    assert found.network == 8 * GB
    assert not found.texts_on_host
    assert not found.fits


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
        assert files.numbers_of[part] == pytest.approx(numbers, rel=0.02), (
            part
        )  # buffers may be saved as well
    found = plan_for(files, "cpu", "float32")
    assert found.network == 4 * files.numbers_of["unet"]
    assert found.free is None or found.free > 0


class Full:
    """A part that a device has no room for."""

    def __init__(self):
        self.asked = []

    def to(self, device):
        self.asked.append(str(device))
        if str(device) != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self


def test_what_finds_no_room_works_on_the_host():
    part = Full()
    assert loading._where_it_fits(part, torch.device("cuda"), on_host=False) is part
    assert part.asked == ["cuda", "cpu"]
    assert loading._where_it_fits(Full(), torch.device("cuda"), on_host=True).asked == []
    with pytest.raises(torch.OutOfMemoryError):
        loading._on_device(Full(), torch.device("cuda"))


def test_the_autoencoder_stays_on_the_host_when_there_is_no_room(tmp_path, monkeypatch):
    from sjc.guidance import autoencoder

    tiny_families.stable_diffusion().save_pretrained(tmp_path)
    denoiser = loading.load_denoiser(str(tmp_path))
    real, asked = autoencoder.load_autoencoder, []

    def load(folder, device, dtype):
        asked.append(str(device))
        if len(asked) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(folder, device, dtype)

    monkeypatch.setattr(autoencoder, "load_autoencoder", load)
    assert denoiser.autoencoder.decode(torch.zeros(1, 4, 4, 4)).isfinite().all()
    assert asked == ["cpu", "cpu"]
