"""Train the small latent model's autoencoder: `python -m training.codec --bank FILE --out DIR`.

It turns 64-pixel pictures of the world into 32 x 32 latents of 4 channels and back. The latent model (`training.train
--codec DIR/model`) is there so that the way from latents to true colours can be measured against exact ones.

`--decoder-of FOLDER` goes on with the decoder of a finished one. Its encoder, and with it the meaning of every latent,
stays as it is, so a latent model that was trained on it needs no other training (as the public VAE "ft-MSE" was made
for Stable Diffusion).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

from sjc.models.pretrained import OWN_FILES_ONLY
from training.batches import Tokens, batches_for
from training.checkpoint import restore, save
from training.data import Data
from training.model import make_tokenizer
from training.pictures import Bank
from training.run import Log, Progress, begun, device_arguments, device_name

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
    device_arguments(p)
    args = begun(p, argv)
    device = torch.device(args.device)
    bank = Bank.load(args.bank)
    fixed = Data(bank, 999, fine=True).batch(HELD_BACK)[1].to(device)
    codec = finished_codec(args.decoder_of) if args.decoder_of else make_codec()
    codec = codec.to(device, memory_format=torch.channels_last)
    learning = [parameter for parameter in codec.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=args.lr, betas=(0.9, 0.99), fused=True)
    checkpoint, tell = args.out / "checkpoint.safetensors", Log(args.out, digits=2 if args.seconds else 1)
    step, spent = 0, 0.0
    if checkpoint.exists():
        step, spent = restore(checkpoint, {"codec": codec.state_dict()}, optimizer)
        torch.manual_seed(args.seed + step)  # of the latents' noise: new ones
    batches = batches_for(args, (args.bank, bank), _tokens(args.lamps), args.seed + 1 + step, fine=True)
    progress = Progress(args.steps, args.seconds, step, spent)
    warm_up = 100 if args.seconds else min(100, args.steps / 4)
    ended = progress.ended()
    while not ended:
        place, end = progress.place()
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, (progress.step + 1) / warm_up, 2 * (end - place) / end)
        x, _, _ = batches.pictures(args.batch)
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
        progress.step += 1
        ended = progress.ended()
        if progress.step % args.eval_every == 0 or ended:
            with torch.no_grad():
                rms = (codec.decode(codec.encode(fixed).latent_dist.mean).sample - fixed).square().mean().sqrt().item()
            row = {"step": progress.step, "minutes": progress.seconds / 60, "rms": round(rms, 4)}
            tell(row | ({} if device.type == "cpu" else {"device": device_name(device), "batch": args.batch}))
            save(checkpoint, {"codec": codec.state_dict()}, optimizer, progress.step, progress.seconds)
    if not args.decoder_of:
        with torch.no_grad():
            latents = codec.encode(fixed).latent_dist.mean
        codec.register_to_config(
            scaling_factor=1 / latents.std().item(), shift_factor=latents.mean().item(), force_upcast=False
        )
    codec.half().cpu().save_pretrained(args.out / "model", safe_serialization=True)
    return args.out / "model"


def _tokens(lamps: bool) -> Tokens:
    def read(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        t = make_tokenizer(lamps)(texts, padding="max_length", truncation=True, return_tensors="pt")
        return t.input_ids, t.attention_mask

    return read


if __name__ == "__main__":
    main()
