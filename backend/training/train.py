"""Train the embedded model: `python -m training.train --out DIR`. Resumes from DIR's checkpoint.

The learning rate warms up, stays, and falls to zero over the last part (--decay-from) of the steps, or of the wall
time with --seconds. A checkpoint holds everything, so stopping is free; moving the end of the run (--steps) only moves
where the fall begins. `--device cuda` trains on a card and makes the batches there (`training.batches`).
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch

from sjc.models.autoencoder import load_autoencoder
from training.batches import batches_for, made_once
from training.checkpoint import restore, save
from training.data import Data, fixed_batches
from training.loss import draw_noise, evaluate, sigmas, v_loss
from training.model import Model, save_folder, start_from
from training.pictures import Bank, make_bank
from training.run import Log, Progress, begun, device_arguments, device_name, learn, mean
from training.text import TEXT_BATCH, school

FIXED_PICTURES = 96  # of each kind, for the score
EMPTY_SHARE = 0.1  # of a batch's sentences, for classifier-free guidance


def learning_rate(step: int, place: float, end: float, args: argparse.Namespace) -> float:
    """Warm-up over 200 steps, plateau, linear fall to zero from `decay_from` * end; place and end: Progress.place()."""
    start = args.decay_from * end
    fall = 1.0 if place < start else max(0.0, (end - place) / (end - start))
    return args.lr * min(1.0, (step + 1) / 200) * fall


def parser() -> argparse.ArgumentParser:
    """Command line of the training."""
    p = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    p.add_argument("--out", type=Path, required=True, help="run folder: bank, checkpoint, log, model/")
    p.add_argument("--steps", type=int, default=8000)
    p.add_argument(
        "--text-steps", type=int, default=2000, help="steps of the text encoder's own schooling (training.text)"
    )
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--views", type=int, default=2500, help="traced views per object in the bank")
    p.add_argument("--lr", type=float, default=8e-4)
    p.add_argument("--decay-from", type=float, default=0.7, help="share of the run after which the learning rate falls")
    p.add_argument(
        "--log-sigma", type=float, default=0.3, help="mean of ln sigma; high noise is where the text is learned"
    )
    p.add_argument("--log-sigma-spread", type=float, default=1.4, help="standard deviation of ln sigma")
    p.add_argument("--ema", type=float, default=0.999)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--eval-every", type=int, default=250)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument(
        "--init", type=Path, help="model folder whose UNet a new run starts from; what reads the text is schooled anew"
    )
    p.add_argument(
        "--keep-text",
        action="store_true",
        help="with --init: what reads the text starts from the folder too, and is schooled on at half the rate",
    )
    p.add_argument(
        "--codec",
        type=Path,
        help="folder of an autoencoder (training.codec): train the small latent model on its latents",
    )
    p.add_argument("--bank", type=Path, help="traced views of another run, in place of --views of its own")
    p.add_argument("--empty-mug", action="store_true", help="the mug of the traced views holds no coffee")
    device_arguments(p)
    p.add_argument("--compile", action="store_true", help="torch.compile: faster steps, needs a C++ compiler")
    return p


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the folder of the saved model."""
    args = begun(parser(), argv)
    device = torch.device(args.device)
    bank_file = args.bank or args.out / f"bank-{args.views}{'-empty-mug' if args.empty_mug else ''}.npz"
    how = {"device": args.device, "empty_mug": args.empty_mug}
    bank = made_once(bank_file, Bank, lambda: make_bank(args.views, args.seed, **how))
    codec = load_autoencoder(args.codec, device, torch.float32) if args.codec else None
    if codec and device.type != "cpu":
        codec.chunk = args.batch  # a few at a time would leave a card idle
    model = Model(args.compile, latent=codec is not None, lamps=args.lamps)
    if args.init:
        start_from(model, args.init, args.keep_text)
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    sigma = sigmas(device)
    checkpoint = args.out / "checkpoint.safetensors"
    ema = Model(latent=codec is not None, lamps=args.lamps).to(device)
    parts = {"model": model.state_dict(), "ema": ema.state_dict()}
    tell = Log(args.out, digits=2 if args.seconds else 1)
    step, spent = 0, 0.0
    if checkpoint.exists():
        step, spent = restore(checkpoint, parts, optimizer)
    else:
        began = time.monotonic()
        peak = 1e-3 if args.keep_text else 2e-3
        if args.text_steps:
            sketches = batches_for(args, (bank_file, bank), model.tokens, args.seed + 500)
            school(model, sketches, args.text_steps, TEXT_BATCH * args.batch, tell, peak)
            del sketches
        ema.load_state_dict(model.state_dict())
        spent = time.monotonic() - began
    # A resumed run draws new pictures; the seed of the data holds the step.
    batches = batches_for(args, (bank_file, bank), model.tokens, args.seed + 1000 + step, codec=codec)
    fixed = fixed_batches(model, Data(bank, 999, codec=codec), FIXED_PICTURES)
    generator = torch.Generator(device).manual_seed(args.seed + step)
    if device.type != "cpu":
        tell({"step": step, "device": device_name(device), "batch": args.batch, **evaluate(ema, fixed, sigma)})
    losses = []
    progress = Progress(args.steps, args.seconds, step, spent)
    ended = progress.ended()
    while not ended:
        rate = learning_rate(progress.step, *progress.place(), args)
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, ids, mask = batches.pictures(args.batch, EMPTY_SHARE)
        t, noise = draw_noise(x, sigma, args, generator)
        loss = v_loss(model, x, ids, mask, t, noise, sigma)
        progress.step += 1
        decay = min(args.ema, (progress.step + 1) / (progress.step + 10))
        losses.append(learn(loss, optimizer, model.parameters(), ema.parameters(), decay))
        ended = progress.ended()
        if progress.step % args.eval_every == 0 or ended:
            row = {"step": progress.step, "minutes": progress.seconds / 60}
            row |= {"lr": learning_rate(progress.step, *progress.place(), args)}
            tell(row | {"loss": round(mean(losses), 4), **evaluate(ema, fixed, sigma)})
            losses = []
            unet, encoder = copy.deepcopy(ema.unet), copy.deepcopy(ema.text_encoder)
            save_folder(args.out / "model", unet, encoder, ema.tokenizer, args.codec, args.lamps)
            # Last, so that a run that ended has its model.
            save(checkpoint, parts, optimizer, progress.step, progress.seconds)
    return args.out / "model"


if __name__ == "__main__":
    main()
