"""Guidance distillation into an adapter: `python -m training.distil --bank FILE --out DIR`.

A LoRA teaches the embedded model's UNet to say in one call what the same model says in two under classifier-free
guidance of one scale, that of the optimiser's preset: stage one of Meng et al., On Distillation of Guided Diffusion
Models (CVPR 2023, arXiv 2210.03142). An adapter (Hu et al., arXiv 2106.09685), because a second UNet would double what
the package weighs.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor, nn

from sjc.models.model_files import EMBEDDED
from training.pictures import Bank
from training.train import EVAL_SIGMAS, Data, Model, begun, draw_noise, fixed_batches, sigmas, start_from, v_loss

Predicts = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(noisy pictures [B,C,S,S], timesteps [B], token ids [B,L], mask [B,L]) -> v [B,C,S,S]."""

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
def score(
    student: nn.Module, teacher: Predicts, held: dict[str, tuple[Tensor, Tensor, Tensor]], sigma: Tensor
) -> dict[str, float]:
    """Root mean square difference of the student's D and the teacher's guided D, by noise level, on fixed pictures."""
    out = {}
    for kind, (x, ids, mask) in held.items():
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
        for level in EVAL_SIGMAS:
            t = (sigma - level).abs().argmin().expand(len(x))
            s = sigma[t].view(-1, 1, 1, 1)
            alpha = (1 + s * s).rsqrt()
            z = alpha * (x + s * noise)
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
    return p


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the folder of the adapter, in float16 under diffusers' name."""
    args = begun(parser(), argv)
    student = Model()
    start_from(student, args.model, keep_text=True)
    teacher = guided(copy.deepcopy(student), student.tokens([""]), args.scale)
    student.requires_grad_(False)
    own = add_adapter(student.unet, args.rank)
    average = {name: p.detach().clone() for name, p in own.items()}
    optimizer = torch.optim.AdamW(own.values(), lr=args.lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    sigma, bank = sigmas(), Bank.load(args.bank)
    data = Data(bank, args.seed + 2000)
    held = fixed_batches(student, Data(bank, 998), HELD_BACK)
    generator = torch.Generator().manual_seed(args.seed)
    began = time.time()
    losses: list[float] = []
    for step in range(args.steps + 1):
        if step % args.eval_every == 0 or step == args.steps:
            with swapped(own, average):
                row: dict[str, float] = {"step": step, "minutes": round((time.time() - began) / 60, 1)}
                row |= {"loss": round(sum(losses) / len(losses), 5)} if losses else {}
                row |= score(student, teacher, held, sigma)
                _save(args.out / "adapter", student.unet)
            with (args.out / "log.jsonl").open("a", encoding="utf-8") as f:
                f.write(json.dumps(row) + "\n")
            print(json.dumps(row), flush=True)
            losses = []
        if step == args.steps:
            break
        rate = args.lr * min(1.0, (step + 1) / WARM_UP, (args.steps - step) / (0.7 * args.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        x, texts = data.batch(args.batch)
        t, noise = draw_noise(x, sigma, args, generator)
        loss = v_loss(student, x, *student.tokens(texts), t, noise, sigma, teacher)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(own.values(), 1.0)
        optimizer.step()
        decay = min(args.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), list(own.values()), 1 - decay)
        losses.append(loss.item())
    return args.out / "adapter"


def _save(folder: Path, unet: UNet2DConditionModel) -> None:
    layers = {name: value.half() for name, value in get_peft_model_state_dict(unet).items()}
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=layers, unet_lora_adapter_metadata=unet.peft_config["default"].to_dict()
    )


if __name__ == "__main__":
    main()
