"""The text encoder's own schooling, before the UNet's: draw the picture a sentence means, with a decoder thrown away.

A UNet that learns everything at once leaves its text encoder untaught for thousands of steps, because at most noise
levels the picture itself says more than the sentence (measured: 1500 steps of 32 pictures left the model blind to the
text). DeepFloyd IF and Imagen start from an encoder taught elsewhere; so does this model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.pictures import SIZE

TEXT_BATCH = 4  # sentences per picture of the UNet's batch: a sketch costs little


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
    table = torch.cat([palette, torch.ones(batch, count, 1)], 2)
    table = torch.cat([table, torch.zeros(batch, 1, 4)], 1)  # the last row: empty
    index = part.long().clamp_max(count).view(batch, -1, 1).expand(-1, -1, 4)
    image = table.gather(1, index).view(batch, full, full, 4).permute(0, 3, 1, 2)
    return torch.nn.functional.avg_pool2d(image, supersample)
