"""From sentences to conditions: how each family's pipeline joins the outputs of its text encoders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Condition(NamedTuple):
    """What a network takes beside the picture: states [N, tokens, width], and in some families a pooled [N, width].

    camera: what a multi-view network is told of each picture's camera, [N,...].
    control: the picture that a ControlNet is shown with each picture, [N,3,H,W] in [0,1].
    """

    states: Tensor
    pooled: Tensor | None = None
    camera: Tensor | None = None
    control: Tensor | None = None

    def take(self, rows: Tensor, camera: Tensor | None = None, control: Tensor | None = None) -> Condition:
        """The rows [M] of states and pooled, with the camera and the picture [M,...] that go with each."""
        rows = rows.to(self.states.device)
        return Condition(self.states[rows], None if self.pooled is None else self.pooled[rows], camera, control)

    def split(self, size: int) -> list[Condition]:
        """Their rows in order, `size` at a time."""
        parts = [[None] * len(self.states) if part is None else part.split(size) for part in self]
        return [Condition(*rows) for rows in zip(*parts, strict=False)]

    def to(self, device: torch.device) -> Condition:
        """Both on another device."""
        return Condition(self.states.to(device), None if self.pooled is None else self.pooled.to(device))

    def zeros(self) -> Condition:
        """As many zeros."""
        pooled = None if self.pooled is None else torch.zeros_like(self.pooled)
        return Condition(torch.zeros_like(self.states), pooled)


def joined(conditions: Sequence[Condition]) -> Condition:
    """All their rows, one after the other."""
    pooled = [c.pooled for c in conditions if c.pooled is not None]
    return Condition(torch.cat([c.states for c in conditions]), torch.cat(pooled) if pooled else None)


class Piece(NamedTuple):
    """The part of a long sentence that CLIP reads at once: its tokens from number * room on, room = max_tokens - 2."""

    text: str
    number: int


def in_pieces(text: str, tokens: int, room: int) -> list[Piece]:
    """A sentence of so many tokens, ends not counted, in pieces of at most `room` tokens."""
    return [Piece(text, number) for number in range(max(1, -(-tokens // room)))]


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder of the transformers library, with its tokenizer.

    config: the encoder's configuration.
    load: loads the encoder and puts it where it is to work.
    max_tokens: to which every sentence is padded, and longer ones are refused.
    masked: whether the encoder takes a mask of which tokens are padding.
    """

    tokenizer: Any
    config: Any
    load: Callable[[], Any]
    max_tokens: int
    masked: bool = False

    @cached_property
    def module(self) -> Any:
        """The encoder itself, loaded when first asked for, and again after `free`."""
        return self.load()

    def free(self) -> None:
        """Lets the encoder's memory go."""
        vars(self).pop("module", None)

    def __call__(self, texts: Sequence[str | Piece], **kwargs: Any) -> Any:
        """The encoder's output for texts padded to max_tokens; all are sentences, or all are pieces of sentences."""
        if texts and isinstance(texts[0], Piece):
            rows = torch.tensor([self._ids_of(piece) for piece in texts if isinstance(piece, Piece)])
            return self.module(input_ids=rows.to(self.module.device), attention_mask=None, **kwargs)
        tokens = self.tokenizer(
            list(texts), padding="max_length", max_length=self.max_tokens, truncation=True, return_tensors="pt"
        ).to(self.module.device)
        mask = tokens.attention_mask if self.masked else None
        return self.module(input_ids=tokens.input_ids, attention_mask=mask, **kwargs)

    def _ids_of(self, piece: Piece) -> list[int]:
        """Between the marks of beginning and end, padded to max_tokens."""
        own, room, t = (
            self.tokenizer(piece.text, add_special_tokens=False).input_ids,
            self.max_tokens - 2,
            self.tokenizer,
        )
        ids = [t.bos_token_id, *own[piece.number * room : (piece.number + 1) * room], t.eos_token_id]
        return ids + [t.pad_token_id] * (self.max_tokens - len(ids))


Scheme = Callable[[Sequence[str | Piece]], Condition]
"""From sentences, or pieces of them, to their conditions, a row for each."""


def plain(encoder: TextEncoder) -> Scheme:
    """DeepFloyd IF, Stable Diffusion 1 and 2: the last states of one encoder."""
    return lambda texts: Condition(encoder(texts).last_hidden_state)


def _penultimate(encoders: Sequence[TextEncoder], texts: Sequence[str | Piece]) -> tuple[Tensor, list[Any]]:
    outputs = [encoder(texts, output_hidden_states=True) for encoder in encoders]
    return torch.cat([output.hidden_states[-2] for output in outputs], dim=-1), outputs


def sdxl(first: TextEncoder, second: TextEncoder) -> Scheme:
    """SDXL (arXiv 2307.01952, Sec. 2.1): both penultimate states side by side; the second's projected vector."""

    def scheme(texts: Sequence[str | Piece]) -> Condition:
        states, outputs = _penultimate((first, second), texts)
        return Condition(states, outputs[1].text_embeds)

    return scheme


def sd3(
    first: TextEncoder, second: TextEncoder, third: TextEncoder | None, width: int, third_tokens: int = 256
) -> Scheme:
    """Stable Diffusion 3 (arXiv 2403.03206, Sec. 4): CLIP's states padded to T5's width, then T5's; both pooled.

    width: of the transformer's joint attention.  Without the third encoder its tokens are zeros.
    """

    def scheme(texts: Sequence[str | Piece]) -> Condition:
        clip, outputs = _penultimate((first, second), texts)
        if third is None:
            t5 = clip.new_zeros(len(texts), third_tokens, width)
        else:
            t5 = third(texts).last_hidden_state.to(clip.dtype)
        clip = F.pad(clip, (0, t5.shape[-1] - clip.shape[-1]))
        return Condition(torch.cat([clip, t5], 1), torch.cat([o.text_embeds for o in outputs], -1))

    return scheme


def flux(clip: TextEncoder, t5: TextEncoder) -> Scheme:
    """FLUX.1: T5's last states and CLIP's pooled vector (diffusers, FluxPipeline.encode_prompt)."""
    return lambda texts: Condition(t5(texts).last_hidden_state, clip(texts).pooler_output)
