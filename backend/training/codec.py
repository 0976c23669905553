"""Train the small latent model's autoencoder: `python -m training.codec --bank FILE --out DIR`.

It turns 64-pixel pictures of the world into 32 x 32 latents of 4 channels and back. The latent model (`training.train
--codec DIR/model`) is there so that the way from latents to true colours can be measured against exact ones.

`--decoder-of FOLDER` goes on with the decoder of a finished one. Its encoder, and with it the meaning of every latent,
stays as it is, so a latent model that was trained on it needs no other training (as the public VAE "ft-MSE" was made
for Stable Diffusion).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from sjc.models.pretrained import OWN_FILES_ONLY
from training.pictures import Bank
from training.train import Data, begun

KL_WEIGHT = 1e-4
HELD_BACK = 96  # pictures for the score


def make_codec() -> AutoencoderKL:
    """A small AutoencoderKL: a picture's edge is halved once, 4 channels."""
    codec = AutoencoderKL(
        sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(24, 48),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,  # of all channels together: flat colours survive better than in groups
        mid_block_add_attention=False,
    )
    # Latents start with little noise: from the usual log variance of 0 the first hundreds of steps teach nothing.
    torch.nn.init.constant_(codec.quant_conv.bias[4:], -6.0)
    return codec


def finished_codec(folder: Path) -> AutoencoderKL:
    """A saved autoencoder in float32, of which the decoder alone learns."""
    codec = AutoencoderKL.from_pretrained(str(folder), use_safetensors=True, **OWN_FILES_ONLY).float()
    for part in (codec.encoder, codec.quant_conv):
        part.requires_grad_(False)
    return codec


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the folder of the saved autoencoder, in float16.

    Its latents have mean 0 and deviation 1; with --decoder-of, they are those of the one given.
    """
    p = argparse.ArgumentParser(prog="python -m training.codec", description=__doc__)
    p.add_argument("--bank", type=Path, required=True, help="traced views, as training.train makes them")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--decoder-of", type=Path, metavar="FOLDER", help="train the decoder of this one on")
    p.add_argument("--steps", type=int, default=1500)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--eval-every", type=int, default=200)
    args = begun(p, argv)
    bank = Bank.load(args.bank)
    data = Data(bank, args.seed + 1, fine=True)
    fixed, _ = Data(bank, 999, fine=True).batch(HELD_BACK)
    codec = finished_codec(args.decoder_of) if args.decoder_of else make_codec()
    codec = codec.to(memory_format=torch.channels_last)
    learning = [parameter for parameter in codec.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=args.lr, betas=(0.9, 0.99), fused=True)
    began = time.time()
    for step in range(1, args.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, step / min(100, args.steps / 4), 2 * (args.steps - step + 1) / args.steps)
        x, _ = data.batch(args.batch)
        posterior = codec.encode(x).latent_dist
        error = codec.decode(posterior.sample()).sample - x
        loss = error.abs().mean()
        if args.decoder_of:
            loss = loss + error.square().mean()  # edges are sharp by now: the mean colour counts
        else:
            # kl() sums over a picture's numbers: one number's share keeps the weight free of the size.
            loss = loss + KL_WEIGHT * posterior.kl().mean() / posterior.mean[0].numel()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        if step % args.eval_every == 0 or step == args.steps:
            with torch.no_grad():
                latents = codec.encode(fixed).latent_dist.mean
                rms = (codec.decode(latents).sample - fixed).square().mean().sqrt().item()
            row = {"step": step, "minutes": round((time.time() - began) / 60, 1), "rms": round(rms, 4)}
            with (args.out / "log.jsonl").open("a", encoding="utf-8") as f:
                f.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
    if not args.decoder_of:
        codec.register_to_config(
            scaling_factor=1 / latents.std().item(), shift_factor=latents.mean().item(), force_upcast=False
        )
    codec.half().save_pretrained(args.out / "model", safe_serialization=True)
    return args.out / "model"


if __name__ == "__main__":
    main()
