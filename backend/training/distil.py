"""Guidance distillation: a student that says in one call what its teacher says in two.

Stage one of Meng et al., On Distillation of Guided Diffusion Models (CVPR 2023, arXiv 2210.03142), for one scale of the
guidance, which is what a preset of the optimiser asks for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Predicts = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(noisy pictures [B,C,S,S], timesteps [B], token ids [B,L], mask [B,L]) -> v [B,C,S,S]."""


def guided(teacher: nn.Module, empty: tuple[Tensor, Tensor], scale: float) -> Predicts:
    """The teacher's v under classifier-free guidance, v_u + scale * (v_c - v_u); v_u is that of `empty`, ids and mask [1,L].

    The same as guiding D or the noise: at one noisy picture all three are the same affine map of v.
    """
    teacher.eval().requires_grad_(False)

    @torch.no_grad()
    def predict(z: Tensor, t: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        ids = torch.cat([ids, empty[0].expand_as(ids)])
        mask = torch.cat([mask, empty[1].expand_as(mask)])
        told, untold = teacher(torch.cat([z, z]), torch.cat([t, t]), ids, mask).chunk(2)
        return untold + scale * (told - untold)

    return predict
