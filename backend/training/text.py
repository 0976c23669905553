"""The text encoder's own schooling, before the UNet's: draw the picture a sentence means, with a decoder thrown away.

A UNet that learns everything at once leaves its text encoder untaught for thousands of steps, because at most noise
levels the picture itself says more than the sentence (measured: 1500 steps of 32 pictures left the model blind to the
text). DeepFloyd IF and Imagen start from an encoder taught elsewhere; so does this model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.model import CONDITION, Model
from training.pictures import SIZE
from training.run import mean

if TYPE_CHECKING:
    from training.batches import Batches

TEXT_BATCH = 4  # sentences per picture of the UNet's batch: a sketch costs little
SKETCHES_TOLD = 100  # steps between two lines of the log


class Sketcher(nn.Module):
    """From a sentence to its picture without light and background: tokens -> (colour times cover, cover) [B, 4, S, S].

    `encoder` and `pooling` are the parts that stay (the T5 encoder and the UNet's pooling of its output into the time
    embedding); the perceptron behind them is thrown away.
    """

    def __init__(self, encoder: nn.Module, pooling: nn.Module, width: int, hidden: int = 1024) -> None:
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.decoder = nn.Sequential(
            nn.Linear(width, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 4 * SIZE * SIZE),
        )

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask [B, L] -> [B, 4, S, S]."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.decoder(self.pooling(hidden)).view(-1, 4, SIZE, SIZE)


def sketch_target(part: Tensor, palette: Tensor, supersample: int) -> Tensor:
    """What Sketcher should draw: part u8 [B, kS, kS] (255 = empty), palette [B, P, 3] sRGB -> [B, 4, S, S]."""
    batch, full = part.shape[:2]
    count = palette.shape[1]
    table = torch.cat([palette, palette.new_ones(batch, count, 1)], 2)
    table = torch.cat([table, palette.new_zeros(batch, 1, 4)], 1)  # the last row: empty
    index = part.long().clamp_max(count).view(batch, -1, 1).expand(-1, -1, 4)
    image = table.gather(1, index).view(batch, full, full, 4).permute(0, 3, 1, 2)
    return torch.nn.functional.avg_pool2d(image, supersample)


def school(
    model: Model, batches: Batches, steps: int, batch: int, tell: Callable[[dict[str, Any]], None], peak: float
) -> None:
    """Teach the text encoder and its pooling to sketch; the learning rate warms up, then falls to zero."""
    sketcher = Sketcher(model.text_encoder, model.unet.add_embedding, CONDITION).to(model.device)
    optimizer = torch.optim.AdamW(sketcher.parameters(), lr=peak, betas=(0.9, 0.99), weight_decay=1e-3, fused=True)
    began, losses = time.time(), []
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, step / 100, (steps - step + 1) / (0.5 * steps))
        target, ids, mask = batches.sketches(batch)
        loss = (sketcher(ids, mask) - target).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(sketcher.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        if step % SKETCHES_TOLD == 0 or step == steps:
            tell({"sketch_step": step, "minutes": (time.time() - began) / 60, "rms": round(mean(losses) ** 0.5, 4)})
            losses = []
