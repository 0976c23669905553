"""Train the embedded model from scratch: `python -m training.train --out DIR`. Resumes from DIR's checkpoint.

The learning rate warms up, stays, and falls to zero over the last part (--decay-from). A checkpoint holds everything,
so stopping is free; moving the end of the run (--steps) only moves where the fall begins.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sjc.guidance.denoiser import Autoencoder
from sjc.models.autoencoder import load_autoencoder
from training import world
from training.model import (
    CONDITION,
    make_latent_unet,
    make_scheduler,
    make_text_encoder,
    make_tokenizer,
    make_unet,
    save_folder,
)
from training.pictures import SUPERSAMPLE, Bank, make_bank, random_light, shade
from training.prompts import Described, phrase, random_described, random_view
from training.text import TEXT_BATCH, Sketcher, sketch_target

MAX_PARTS = 4
SKETCHES_TOLD = 100  # steps of the text encoder's schooling between two lines of the log
EVAL_SIGMAS = (0.2, 0.5, 1.5, 5.0, 20.0)


class Model(nn.Module):
    """Text encoder and UNet together, as trained: (noisy pictures, timesteps, token ids, mask) -> v."""

    run_unet: Callable[..., Any]

    def __init__(self, compiled: bool = False, latent: bool = False) -> None:
        super().__init__()
        self.tokenizer = make_tokenizer()
        self.text_encoder = make_text_encoder(self.tokenizer)
        unet = make_latent_unet() if latent else make_unet()
        self.unet = unet.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        # An unregistered alias, so that the state dict keeps its plain names.
        object.__setattr__(self, "run_unet", torch.compile(self.unet) if compiled else self.unet)

    def tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Token ids and mask [B, L]."""
        t = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
        return t.input_ids, t.attention_mask

    def forward(self, z: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """V-prediction [B, C, S, S] for pictures or latents z at timesteps t [B], tokens and mask [B, L]."""
        hidden = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.run_unet(z, t, hidden, return_dict=False)[0]


class Data:
    """Batches of (pictures, texts) from a bank. fine: pictures of 64 pixels; codec: their latents in their place."""

    def __init__(self, bank: Bank, seed: int, fine: bool = False, codec: Autoencoder | None = None) -> None:
        self.bank, self.rng = bank, random.Random(seed)
        self.supersample, self.codec = 1 if fine or codec else SUPERSAMPLE, codec
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self, size: int, held_out: bool = False) -> tuple[Tensor, list[str]]:
        """Random pictures [B, 3, 32, 32] and their prompts; `held_out` draws only pairs never trained on."""
        index, things, texts = self.choose(size, held_out)
        return self.draw(index, things), texts

    def draw(self, index: list[int], things: list[Described]) -> Tensor:
        """Pictures [B, 3, 32, 32] (or 64, or latents) of bank views `index`, coloured as described, lit at random."""
        part = torch.from_numpy(self.bank.part[index])
        normal = torch.from_numpy(self.bank.normal[index]).float() / 127
        light = random_light(len(index), self.generator)
        pictures = shade(part, normal, palettes(things), *light, self.supersample)
        return self.codec.encode(pictures) if self.codec else pictures

    def sketches(self, size: int) -> tuple[Tensor, list[str]]:
        """Targets of the text encoder's schooling [B, 4, 32, 32], and their prompts."""
        index, things, texts = self.choose(size)
        return sketch_target(torch.from_numpy(self.bank.part[index]), palettes(things), SUPERSAMPLE), texts

    def choose(self, size: int, held_out: bool = False) -> tuple[list[int], list[Described], list[str]]:
        """Random views of the bank: their numbers, what they shall show, and prompts with view words."""
        index = [self.rng.randrange(len(self.bank.thing)) for _ in range(size)]
        names = list(world.THINGS)
        things = []
        for i in index:
            described = random_described(int(self.bank.thing[i]), self.rng)
            if held_out:
                name = names[int(self.bank.thing[i])]
                color = self.rng.choice([c for n, c in sorted(world.HELD_OUT) if n == name])
                described = Described(name, color, described.slots)
            things.append(described)
        texts = [
            random_view(phrase(d, self.rng), float(self.bank.azimuth[i]), float(self.bank.elevation[i]), self.rng)
            for i, d in zip(index, things, strict=True)
        ]
        return index, things, texts


def palettes(things: list[Described]) -> Tensor:
    """Colours by part [B, MAX_PARTS, 3], sRGB."""
    palette = torch.zeros(len(things), MAX_PARTS, 3)
    for row, described in zip(palette, things, strict=True):
        for i, color in enumerate(described.palette()):
            row[i] = torch.tensor(world.COLORS[color])
    return palette


def sigmas(device: str = "cpu") -> Tensor:
    """sigma of every timestep [1000], ascending."""
    abar = make_scheduler().alphas_cumprod.to(device)
    return ((1 - abar) / abar).sqrt()


def draw_noise(x: Tensor, sigma: Tensor, args: argparse.Namespace, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Timesteps [B] and noises like x: ln sigma is normal, about where SJC asks, with tails over the whole range."""
    level = (args.log_sigma + args.log_sigma_spread * torch.randn(len(x), generator=generator)).exp()
    t = torch.searchsorted(sigma, level).clamp(0, len(sigma) - 1)
    return t, torch.randn(x.shape, generator=generator)


def fixed_batches(model: Model, data: Data, size: int) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """(pictures, token ids, mask) to score with: of "seen" pairs, and of those "held_out"."""
    batches = {}
    for kind, held_out in (("seen", False), ("held_out", True)):
        x, texts = data.batch(size, held_out)
        batches[kind] = (x, *model.tokens(texts))
    return batches


def v_loss(
    model: nn.Module,
    x: Tensor,
    ids: Tensor,
    mask: Tensor,
    t: Tensor,
    noise: Tensor,
    sigma: Tensor,
    teacher: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Mean squared error of v = alpha * noise - s * x (Salimans & Ho 2022), alpha = 1/sqrt(1+sigma^2), s = sigma*alpha.

    With a teacher: against what the teacher says in the place of v.
    """
    s = sigma[t].view(-1, 1, 1, 1)
    alpha = (1 + s * s).rsqrt()
    z = alpha * (x + s * noise)
    target = teacher(z, t, ids, mask) if teacher else alpha * noise - s * alpha * x
    return ((model(z, t, ids, mask) - target) ** 2).mean()


@torch.no_grad()
def evaluate(model: nn.Module, batches: dict[str, tuple[Tensor, Tensor, Tensor]], sigma: Tensor) -> dict[str, float]:
    """The 2D score: root mean square error of D(x + sigma n; sigma) per noise level, on fixed pictures and noises."""
    out = {}
    model.eval()
    for kind, (x, ids, mask) in batches.items():
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
        for level in EVAL_SIGMAS:
            t = (sigma - level).abs().argmin().expand(len(x))
            s = sigma[t].view(-1, 1, 1, 1)
            alpha = (1 + s * s).rsqrt()
            z = alpha * (x + s * noise)
            denoised = alpha * z - s * alpha * model(z, t, ids, mask)
            out[f"{kind}_{level}"] = round((denoised - x).pow(2).mean().sqrt().item(), 4)
    model.train()
    return out


def school(
    model: Model, data: Data, steps: int, batch: int, tell: Callable[[dict[str, Any]], None], peak: float
) -> None:
    """Teach the text encoder and its pooling to sketch; the learning rate warms up, then falls to zero."""
    sketcher = Sketcher(model.text_encoder, model.unet.add_embedding, CONDITION)
    optimizer = torch.optim.AdamW(sketcher.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    began, losses = time.time(), []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, step / 100, (steps - step + 1) / (0.5 * steps))
        target, texts = data.sketches(batch)
        loss = (sketcher(*model.tokens(texts)) - target).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(sketcher.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % SKETCHES_TOLD == 0 or step == steps:
            rms = (sum(losses) / len(losses)) ** 0.5
            minutes = round((time.time() - began) / 60, 1)
            tell({"sketch_step": step, "minutes": minutes, "rms": round(rms, 4)})
            losses = []


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Warm-up, plateau, linear fall to zero from `decay_from` * steps."""
    start = args.decay_from * args.steps
    fall = 1.0 if step < start else max(0.0, (args.steps - step) / (args.steps - start))
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
    p.add_argument("--decay-from", type=float, default=0.7, help="fraction of the steps where the learning rate falls")
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
    p.add_argument("--compile", action="store_true", help="torch.compile: faster steps, needs a C++ compiler")
    return p


def begun(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments of a run, its threads and seed set, its folder made."""
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    return args


def main(argv: list[str] | None = None) -> Path:
    """Train; returns the folder of the saved model."""
    args = begun(parser(), argv)
    bank_file = args.out / f"bank-{args.views}.npz"
    if not bank_file.exists():
        make_bank(args.views, args.seed).save(bank_file)
    codec = load_autoencoder(args.codec, torch.device("cpu"), torch.float32) if args.codec else None
    model = Model(args.compile, latent=codec is not None)
    if args.init:
        start_from(model, args.init, args.keep_text)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    sigma = sigmas()
    log_file, checkpoint = args.out / "log.jsonl", args.out / "checkpoint.safetensors"
    bank = Bank.load(bank_file)
    ema = Model(latent=codec is not None)

    def tell(row: dict[str, Any]) -> None:
        with log_file.open("a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    if checkpoint.exists():
        step, seconds = restore(checkpoint, model, ema, optimizer)
    else:
        began = time.time()
        peak = 1e-3 if args.keep_text else 2e-3
        school(model, Data(bank, args.seed + 500), args.text_steps, TEXT_BATCH * args.batch, tell, peak)
        ema.load_state_dict(model.state_dict())
        step, seconds = 0, time.time() - began
    # A resumed run draws new pictures; the seed of the data holds the step.
    data = Data(bank, args.seed + 1000 + step, codec=codec)
    batches = fixed_batches(model, Data(bank, 999, codec=codec), 96)
    generator = torch.Generator().manual_seed(args.seed + step)
    began, losses = time.time() - seconds, []
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        x, texts = data.batch(args.batch)
        texts = ["" if data.rng.random() < 0.1 else text for text in texts]  # for classifier-free guidance
        t, noise = draw_noise(x, sigma, args, generator)
        loss = v_loss(model, x, *model.tokens(texts), t, noise, sigma)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(args.ema, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)
        losses.append(loss.item())
        if step % args.eval_every == 0 or step == args.steps:
            row = {"step": step, "minutes": round((time.time() - began) / 60, 1), "lr": learning_rate(step, args)}
            row |= {"loss": round(sum(losses) / len(losses), 4), **evaluate(ema, batches, sigma)}
            losses = []
            tell(row)
            save(checkpoint, model, ema, optimizer, step, time.time() - began)
            save_folder(
                args.out / "model", copy.deepcopy(ema.unet), copy.deepcopy(ema.text_encoder), ema.tokenizer, args.codec
            )
    return args.out / "model"


def save(path: Path, model: Model, ema: Model, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    """Everything in one safetensors file, written whole."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items()}
    temporary = path.with_name("." + path.name + ".tmp")
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}  # shared weights stored twice
    save_file(tensors, temporary, {"step": str(step), "seconds": str(seconds)})
    temporary.replace(path)


def start_from(model: Model, folder: Path, keep_text: bool) -> None:
    """Take the UNet's weights of a saved model folder where name and shape fit; from a deeper one the outer blocks.

    What reads the text (the encoder, and the UNet's pooling of its output) is taken only with `keep_text`.
    """
    own = model.unet.state_dict()
    saved = {k: v for file in (folder / "unet").glob("*.safetensors") for k, v in load_file(file).items()}
    depth = 1 + max(int(k.split(".")[1]) for k in saved if k.startswith("up_blocks."))
    deeper = depth - len(model.unet.up_blocks)  # up_blocks count from the inside
    saved = {re.sub(r"^up_blocks\.(\d+)", lambda m: f"up_blocks.{int(m[1]) - deeper}", k): v for k, v in saved.items()}
    fitting = {
        k: v.float()
        for k, v in saved.items()
        if k in own and own[k].shape == v.shape and (keep_text or not k.startswith("add_embedding."))
    }
    print(f"{len(fitting)} of {len(own)} tensors of the UNet from {folder}", flush=True)
    model.unet.load_state_dict(fitting, strict=False)
    if keep_text:
        text = load_file(folder / "text_encoder" / "model.safetensors")
        model.text_encoder.load_state_dict({k: v.float() for k, v in text.items()}, strict=False)


def restore(path: Path, model: Model, ema: Model, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Load a checkpoint written by save(); returns (step, seconds spent)."""
    from safetensors import safe_open

    tensors = load_file(path)
    for prefix, target in (("model.", model), ("ema.", ema)):
        target.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
    states: dict[int, dict[str, Tensor]] = {}
    parameters = list(model.parameters())
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, name = key.split(".", 2)
            # In the layout of its parameter, which the fused optimiser takes for granted.
            like = parameters[int(i)]
            states.setdefault(int(i), {})[name] = (
                torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            )
    if states:
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    with safe_open(path, "pt") as f:
        meta = f.metadata()
    return int(meta["step"]), float(meta["seconds"])


if __name__ == "__main__":
    main()
