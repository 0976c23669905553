"""Train the embedded model's sister that sees four views at once: `python -m training.views --out DIR`.

Only what `sjc.models.four_views` puts beside the shipped network learns, from rings of four views of one object in one
light and against one background.  Resumes from DIR's checkpoint.  `--device cuda` makes the batches on the card.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sjc.field.cameras import look_at
from sjc.guidance.views import FOUR
from sjc.models import four_views
from sjc.models.joined_views import camera_numbers
from sjc.models.layout import SISTER
from sjc.models.model_files import EMBEDDED
from training.batches import batches_for, made_once
from training.checkpoint import Parts, restore, save
from training.data import Data
from training.distil import swapped
from training.loss import Batch, Predicts, draw_noise, noisy_levels, sigmas, v_loss
from training.model import Model, start_from
from training.pictures import PRIOR, Bank, RingBank, make_rings
from training.run import Log, Progress, begun, device_arguments, device_name, learn, mean
from training.train import EMPTY_SHARE

HELD_BACK = 24  # rings of each kind for the score, from views that no batch shows
HELD_VIEWS = 2 * len(FOUR)  # of each object
WARM_UP = 50


def cameras_of(bank: Bank) -> Tensor:
    """What the network is told of every view of a bank, [M,16]."""
    azimuth, elevation = (torch.from_numpy(angles) for angles in (bank.azimuth, bank.elevation))
    return camera_numbers(look_at(azimuth, elevation, PRIOR.radius, PRIOR.fov_min).poses)


def sister(folder: Path, lamps: bool = False) -> tuple[Model, dict[str, nn.Parameter]]:
    """The model of a folder with the untrained parts of its sister, and these, the only ones left that learn."""
    model = Model(lamps=lamps)
    start_from(model, folder, keep_text=True)
    model.requires_grad_(False)
    four_views.attach(model.unet)
    return model, four_views.own(model.unet)


def predictor(model: Model, cameras: Tensor) -> Predicts:
    """v of rings whose cameras [B,16] the network is told."""

    def predict(z: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = model.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        output: Tensor = model.unet(z, t, hidden, class_labels=cameras, return_dict=False)[0]
        return output

    return predict


@torch.no_grad()
def score(model: Model, rings: dict[str, tuple[Batch, Tensor]], sigma: Tensor) -> dict[str, float]:
    """Root mean square error of D by noise level on fixed rings, as `training.loss.evaluate` has it of pictures."""
    out = {}
    for kind, ((x, ids, mask), cameras) in rings.items():
        for level, t, s, alpha, z in noisy_levels(x, sigma):
            denoised = alpha * z - s * alpha * predictor(model, cameras)(z, t, ids, mask)
            out[f"{kind}_{level}"] = round((denoised - x).pow(2).mean().sqrt().item(), 4)
    return out


def fixed_rings(model: Model, bank: Bank) -> dict[str, tuple[Batch, Tensor]]:
    """Rings to score with and their cameras, on the model's device: of "seen" pairs, and of those "held_out"."""
    rings, cameras, data = {}, cameras_of(bank), Data(bank, 997)
    for kind in ("seen", "held_out"):
        index, x, texts = data.batch(HELD_BACK * len(FOUR), kind == "held_out")
        batch = (x, *model.tokens(texts))
        there: Any = tuple(part.to(model.device) for part in batch)
        rings[kind] = (there, cameras[index].to(model.device))
    return rings


def parser() -> argparse.ArgumentParser:
    """Command line of the training."""
    p = argparse.ArgumentParser(prog="python -m training.views", description=__doc__)
    p.add_argument("--out", type=Path, required=True, help="run folder: banks, checkpoint, log, the sister's file")
    p.add_argument("--model", type=Path, default=EMBEDDED, help="folder of the network that it begins from")
    p.add_argument("--views", type=int, default=1200, help="traced views per object, four of them a ring")
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--batch", type=int, default=32, help="pictures, four of them a ring")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--decay-from", type=float, default=0.5, help="share of the run after which the learning rate falls")
    p.add_argument("--log-sigma", type=float, default=0.5, help="mean of ln sigma")
    p.add_argument("--log-sigma-spread", type=float, default=1.0, help="standard deviation of ln sigma")
    p.add_argument("--ema", type=float, default=0.99)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--eval-every", type=int, default=250)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--empty-mug", action="store_true", help="the mug of the traced views holds no coffee")
    device_arguments(p)
    return p


def traced(args: argparse.Namespace, out: Path) -> tuple[Path, RingBank, RingBank]:
    """Rings of views, traced once into a run's folder -> (file, rings to learn from, rings held back).

    args: views of an object, seed, device, empty_mug.
    """
    out.mkdir(parents=True, exist_ok=True)
    how = {"device": args.device, "empty_mug": args.empty_mug}
    views = args.views // len(FOUR) * len(FOUR)
    file = out / f"rings-{views}{'-empty-mug' if args.empty_mug else ''}.npz"
    rings = made_once(file, RingBank, lambda: make_rings(views, args.seed, **how))
    held = made_once(out / "held-rings.npz", RingBank, lambda: make_rings(HELD_VIEWS, args.seed + 77, **how))
    return file, rings, held


def sentences_of(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments with which a ring's sentences are drawn: four of each, and none of a lamp, which has one camera."""
    return argparse.Namespace(**{**vars(args), "lamps": False, "sentences": args.sentences // len(FOUR) * len(FOUR)})


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the file of the sister's own tensors, in float16."""
    args = begun(parser(), argv)
    if min(args.views, args.batch) < len(FOUR):
        parser().error("--views and --batch: give at least 4, because a ring has four pictures")
    args.batch = args.batch // len(FOUR) * len(FOUR)
    device = torch.device(args.device)
    bank_file, bank, held = traced(args, args.out)
    model, own = sister(args.model, args.lamps)
    model.to(device)
    average = {name: p.detach().clone() for name, p in own.items()}
    optimizer = torch.optim.AdamW(own.values(), lr=args.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    parts: Parts = {"own": own, "average": average}
    checkpoint, tell = args.out / "checkpoint.safetensors", Log(args.out, digits=2 if args.seconds else 1)
    step, spent = restore(checkpoint, parts, optimizer) if checkpoint.exists() else (0, 0.0)
    sigma, cameras = sigmas(device), cameras_of(bank).to(device)
    batches = batches_for(sentences_of(args), (bank_file, bank), model.tokens, args.seed + 3000 + step)
    rings = fixed_rings(model, held)
    generator = torch.Generator(device).manual_seed(args.seed + step)
    losses: list[Tensor] = []
    progress = Progress(args.steps, args.seconds, step, spent)
    while True:
        place, end = progress.place()
        ended = place >= end
        if ended or (progress.step % args.eval_every == 0 and (losses or not progress.step)):
            with swapped(own, average):
                row: dict[str, Any] = {"step": progress.step, "minutes": progress.seconds / 60, "batch": args.batch}
                row |= {"loss": round(mean(losses), 5)} if losses else {}
                row |= {} if device.type == "cpu" else {"device": device_name(device)}
                tell(row | score(model, rings, sigma))
                _save(args.out / SISTER, own)
            save(checkpoint, parts, optimizer, progress.step, progress.seconds)
            losses = []
        if ended:
            return args.out / SISTER
        fall = 1.0 if place < args.decay_from * end else (end - place) / ((1 - args.decay_from) * end)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1.0, (progress.step + 1) / WARM_UP) * fall
        (x, ids, mask), view = batches.pictures_and_views(args.batch, EMPTY_SHARE)
        t, noise = draw_noise(x, sigma, args, generator)
        t = t[:: len(FOUR)].repeat_interleave(len(FOUR))  # as a step of the loop has it
        loss = v_loss(predictor(model, cameras[view]), x, ids, mask, t, noise, sigma)
        progress.step += 1
        decay = min(args.ema, progress.step / (progress.step + 9))
        losses.append(learn(loss, optimizer, own.values(), average.values(), decay))


def _save(file: Path, own: dict[str, nn.Parameter]) -> None:
    """Write whole, then rename."""
    temporary = file.with_name("." + file.name + ".tmp")
    save_file({name: value.detach().half().cpu().contiguous() for name, value in own.items()}, temporary)
    temporary.replace(file)


if __name__ == "__main__":
    main()
