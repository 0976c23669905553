"""Guidance distillation into an adapter: `python -m training.distil --bank FILE --out DIR`.

A LoRA teaches the embedded model's UNet to say in one call what the same model says in two under classifier-free
guidance of one scale, that of the optimiser's preset: stage one of Meng et al., On Distillation of Guided Diffusion
Models (CVPR 2023, arXiv 2210.03142). An adapter (Hu et al., arXiv 2106.09685), because a second UNet would double what
the package weighs.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from sjc.models.model_files import EMBEDDED
from training.batches import batches_for
from training.checkpoint import Parts, restore, save
from training.data import Data, fixed_batches
from training.loss import Batch, Predicts, draw_noise, noisy_levels, sigmas, v_loss
from training.model import Model, start_from
from training.pictures import Bank
from training.run import Log, Progress, begun, device_arguments, device_name, learn, mean

HELD_BACK = 24  # pictures for the score
WARM_UP = 50


def guided(teacher: nn.Module, empty: tuple[Tensor, Tensor], scale: float) -> Predicts:
    """The teacher's v under classifier-free guidance, v_u + scale * (v_c - v_u).

    v_u is that of `empty`, ids and mask [1,L]. The same as guiding D or the noise: at one noisy picture all three are
    the same affine map of v.
    """
    teacher.eval().requires_grad_(False)

    @torch.no_grad()
    def predict(z: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        ids = torch.cat([ids, empty[0].expand_as(ids)])
        mask = torch.cat([mask, empty[1].expand_as(mask)])
        conditioned, unconditioned = teacher(torch.cat([z, z]), torch.cat([t, t]), ids, mask).chunk(2)
        return unconditioned + scale * (conditioned - unconditioned)

    return predict


def add_adapter(unet: UNet2DConditionModel, rank: int) -> dict[str, nn.Parameter]:
    """Lay a LoRA over every convolution and linear layer; its parameters, the only ones left that learn.

    A layer narrower than the rank gets no more than it can hold.
    """
    layers = {n: m for n, m in unet.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    ranks = {n: min(rank, m.weight.shape[0], m.weight[0].numel()) for n, m in layers.items()}
    config = LoraConfig(
        r=rank, lora_alpha=rank, target_modules=list(layers), rank_pattern=ranks, alpha_pattern=dict(ranks)
    )
    unet.requires_grad_(False)
    unet.add_adapter(config)
    return {n: p for n, p in unet.named_parameters() if p.requires_grad}


@contextmanager
def swapped(own: dict[str, nn.Parameter], other: dict[str, Tensor]) -> Iterator[None]:
    """The parameters' values are `other`'s for a while: the moving average's, to score and save it."""
    averages = {name: p.detach().clone() for name, p in own.items()}
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(other[name])
        yield
        for name, p in own.items():
            p.copy_(averages[name])


@torch.no_grad()
def score(student: nn.Module, teacher: Predicts, held: dict[str, Batch], sigma: Tensor) -> dict[str, float]:
    """Root mean square difference of the student's D and the teacher's guided D, by noise level, on fixed pictures."""
    out = {}
    for kind, (x, ids, mask) in held.items():
        for level, t, s, alpha, z in noisy_levels(x, sigma):
            apart = s * alpha * (student(z, t, ids, mask) - teacher(z, t, ids, mask))
            out[f"{kind}_{level}"] = round(apart.square().mean().sqrt().item(), 4)
    return out


def parser() -> argparse.ArgumentParser:
    """Command line of the distillation."""
    p = argparse.ArgumentParser(prog="python -m training.distil", description=__doc__)
    p.add_argument("--bank", type=Path, required=True, help="traced views, as training.train makes them")
    p.add_argument("--out", type=Path, required=True, help="run folder: log, adapter/")
    p.add_argument("--model", type=Path, default=EMBEDDED, help="folder of the teacher")
    p.add_argument("--scale", type=float, default=2.5, help="guidance scale that the adapter builds in")
    p.add_argument("--rank", type=int, default=8)
    p.add_argument("--steps", type=int, default=900)
    p.add_argument("--batch", type=int, default=24)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--log-sigma", type=float, default=0.5, help="mean of ln sigma")
    p.add_argument("--log-sigma-spread", type=float, default=0.9, help="standard deviation of ln sigma")
    p.add_argument("--ema", type=float, default=0.99)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--eval-every", type=int, default=100)
    p.add_argument("--threads", type=int, default=2)
    device_arguments(p)
    return p


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the folder of the adapter, in float16 under diffusers' name. Resumes from the run's checkpoint."""
    args = begun(parser(), argv)
    device = torch.device(args.device)
    student = Model(lamps=args.lamps)
    start_from(student, args.model, keep_text=True)
    student.to(device)
    empty_ids, empty_mask = (t.to(device) for t in student.tokens([""]))
    teacher = guided(copy.deepcopy(student), (empty_ids, empty_mask), args.scale)
    student.requires_grad_(False)
    own = add_adapter(student.unet, args.rank)
    average = {name: p.detach().clone() for name, p in own.items()}
    optimizer = torch.optim.AdamW(own.values(), lr=args.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    parts: Parts = {"adapter": own, "average": average}
    checkpoint, tell = args.out / "checkpoint.safetensors", Log(args.out, digits=2 if args.seconds else 1)
    step, spent = restore(checkpoint, parts, optimizer) if checkpoint.exists() else (0, 0.0)
    sigma, bank = sigmas(device), Bank.load(args.bank)
    batches = batches_for(args, (args.bank, bank), student.tokens, args.seed + 2000 + step)
    held = fixed_batches(student, Data(bank, 998), HELD_BACK)
    generator = torch.Generator(device).manual_seed(args.seed + step)
    losses: list[Tensor] = []
    progress = Progress(args.steps, args.seconds, step, spent)
    while True:
        place, end = progress.place()
        ended = place >= end
        if ended or (progress.step % args.eval_every == 0 and (losses or not progress.step)):
            with swapped(own, average):
                row: dict[str, Any] = {"step": progress.step, "minutes": progress.seconds / 60}
                row |= {"loss": round(mean(losses), 5)} if losses else {}
                row |= {} if device.type == "cpu" else {"device": device_name(device), "batch": args.batch}
                tell(row | score(student, teacher, held, sigma))
                _save(args.out / "adapter", student.unet)
            save(checkpoint, parts, optimizer, progress.step, progress.seconds)
            losses = []
        if ended:
            return args.out / "adapter"
        rate = args.lr * min(1.0, (progress.step + 1) / WARM_UP, (end - place) / (0.7 * end))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, ids, mask = batches.pictures(args.batch)
        t, noise = draw_noise(x, sigma, args, generator)
        loss = v_loss(student, x, ids, mask, t, noise, sigma, teacher)
        progress.step += 1
        decay = min(args.ema, progress.step / (progress.step + 9))
        losses.append(learn(loss, optimizer, own.values(), average.values(), decay))


def _save(folder: Path, unet: UNet2DConditionModel) -> None:
    layers = {name: value.half().cpu() for name, value in get_peft_model_state_dict(unet).items()}
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=layers, unet_lora_adapter_metadata=unet.peft_config["default"].to_dict()
    )


if __name__ == "__main__":
    main()
