"""From prompts to conditions for the network, and the refusal of prompts that a model cannot read."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..guidance.prompts import clean_prompt, round_to_ten, view_prompt
from .memory_fallback import MemoryFallback
from .near_words import near_words
from .text_cache import TextCache
from .text_encoders import Condition, Scheme, TextEncoder, in_pieces, joined

BIGGER = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""What may be chosen by somebody whose words a small model does not know."""

UNLISTED = ("fillers", "views", "lamps")
"""Kinds of words on a model's card that say nothing about what can be made."""


class NoPrompt:
    """Stands where a model has no text encoder: only the empty sentence can be encoded.

    name, card: as `PromptEncoder`.
    """

    def __init__(self, name: str, card: dict[str, Any]) -> None:
        self.name, self.card = name, card

    def prepare(self, *_given: object) -> None:
        """Does nothing: there is nothing to encode."""

    def conditions(self, texts: list[str]) -> Condition:
        """A condition without tokens, [N,0,0].  Raises SjcError for a sentence that is not empty."""
        if any(texts):
            self.check_prompt("")
        return Condition(torch.zeros(len(texts), 0, 0))

    def unconditional(self, negative: str) -> Condition:
        """`conditions` of one sentence."""
        return self.conditions([negative])

    def check_prompt(self, _text: object) -> str:
        """Raises SjcError, always."""
        raise SjcError(f"{self.name} takes no text, so no prompt can steer it; choose a text-to-image model.")


class PromptEncoder:
    """Checks and encodes the prompts of one model; each distinct sentence is encoded once and kept in memory.

    text_encoders: the tokenizer of the first one checks sentences.
    scheme: from sentences to conditions.
    device: where conditions go.
    cache: conditions on disk, for encoders so large that they are let go once they have read; None without.
    card: what sjc.json beside the model says, {} without one.
    name: how messages call the model.
    lower: whether prompts are lower-cased.
    in_pieces: whether a sentence of more than max_tokens is read in pieces, whose states stand one after the other
        (networks with cross attention take any number); it is refused otherwise.
    zero_empty: whether the empty negative prompt is all zeros rather than the encoded empty sentence (SDXL's
        force_zeros_for_empty_prompt).

    max_rows: how many sentences are encoded at once.  fallback: what runs the encoders where memory may run out.
    """

    def __init__(
        self,
        text_encoders: Sequence[TextEncoder],
        scheme: Scheme,
        *,
        device: torch.device | str = "cpu",
        cache: TextCache | None = None,
        card: dict[str, Any],
        name: str,
        lower: bool,
        zero_empty: bool,
        in_pieces: bool = False,
    ) -> None:
        self.text_encoders, self.scheme, self.cache = text_encoders, scheme, cache
        self.tokenizer, self.max_tokens = text_encoders[0].tokenizer, text_encoders[0].max_tokens
        self.device = torch.device(device)
        self.card = card
        self.name = name
        self.lower = lower
        self.zero_empty = zero_empty
        self.in_pieces = in_pieces
        self._pieces = 1  # in how many every sentence is encoded: those of the longest one
        self.max_rows = 32
        self.fallback = MemoryFallback(iter(()), "There is not enough memory for the text encoders.")
        self._encoded: dict[str, Condition] = {}

    @torch.no_grad()
    def conditions(self, texts: list[str]) -> Condition:
        """N sentences -> their conditions, N rows.  Raises SjcError as `check` does."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._encoded]
        for text in fresh:
            self.check(text)
        if self.cache:
            stored = {text: self.cache.get(self._normal(text)) for text in fresh}
            self._encoded.update({text: row.to(self.device) for text, row in stored.items() if row})
            fresh = [text for text in fresh if text not in self._encoded]
        if fresh:
            rows = self.fallback(lambda: self._encode(fresh))
            self._encoded.update(zip(fresh, rows, strict=True))
        if self.cache and fresh:
            for text in fresh:
                self.cache.put(self._normal(text), self._encoded[text])
            self.free()
        return self._equally_long([self._encoded[text] for text in texts])

    def _equally_long(self, rows: list[Condition]) -> Condition:
        """All rows, the shorter ones followed by the empty sentence as often as the longest one asks for.

        Every later row is as long, so that the network always gets the same number of tokens.
        """
        if self.in_pieces:
            self._pieces = max(self._pieces, *(row.states.shape[1] // self.max_tokens for row in rows))
            rows = [self._padded(row) for row in rows]
        return joined(rows)

    def _padded(self, row: Condition) -> Condition:
        lacking = self._pieces - row.states.shape[1] // self.max_tokens
        if not lacking:
            return row
        if "" not in self._encoded:
            self._encoded[""] = self.fallback(lambda: self._encode([""]))[0]
        return Condition(torch.cat([row.states, *[self._encoded[""].states] * lacking], 1), row.pooled)

    def _encode(self, texts: list[str]) -> list[Condition]:
        """One row for each sentence; those in several pieces are longer, and have the pooled vector of the first."""
        rows: dict[str, Condition] = {}
        short = [text for text in texts if self._pieces_of(text) == 1]
        for start in range(0, len(short), self.max_rows):
            part = short[start : start + self.max_rows]
            read = self.scheme([self._normal(text) for text in part]).to(self.device)
            rows.update({text: read.take(torch.tensor([i])) for i, text in enumerate(part)})
        for text in texts:
            if text in rows:
                continue
            pieces = in_pieces(self._normal(text), len(self._ids(text)), self.max_tokens - 2)
            read = self.scheme(pieces).to(self.device)
            states = read.states.reshape(1, -1, read.states.shape[-1])
            rows[text] = Condition(states, None if read.pooled is None else read.pooled[:1])
        return [rows[text] for text in texts]

    def _pieces_of(self, text: str) -> int:
        """In how many the sentence is read; 1 where only whole ones are."""
        return len(in_pieces(text, len(self._ids(text)), self.max_tokens - 2)) if self.in_pieces else 1

    def free(self) -> None:
        """Lets the encoders' memory go; they are loaded again when a new sentence needs them."""
        for text_encoder in self.text_encoders:
            text_encoder.free()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def prepare(
        self,
        prompt: str,
        view_words: str,
        negative: str = "",
        elevations: tuple[float, float] = (-90, 90),
        asked: int = 0,
    ) -> None:
        """Encodes every sentence that a run with this prompt may ask for.

        Together they are read many times faster than one by one. On a CPU a small encoder still waits until it is asked
        where few are needed; a device that works behind the host's back would be held up in the middle of a run.

        In how many pieces sentences are read is that of this run's longest one, whatever was read before.

        elevations: lowest and highest that views have, degrees. asked: how many views the run has in all.
        """
        low, high = map(round_to_ten, elevations)
        angles = [(a, e) for a in range(0, 360, 10) for e in range(low, high + 1, 10)]
        views = dict.fromkeys(view_prompt(view_words, a, e, prompt) for a, e in angles)
        self._pieces = max(map(self._pieces_of, [*views, negative])) if self.in_pieces else 1
        if self.cache or self.device.type != "cpu" or asked > len(views) / 4:
            self.conditions([*views, negative])

    def encode(self, texts: list[str]) -> Tensor:
        """The states of `conditions` alone, [N, tokens, width]."""
        return self.conditions(texts).states

    def unconditional(self, negative: str) -> Condition:
        """The condition of the other half of classifier-free guidance, one row."""
        row = self.conditions([negative])
        return row.zeros() if self.zero_empty and not negative else row

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt.

        Raises SjcError if it is empty, too long together with the longest view words, or holds words that the model
        has never seen.
        """
        prompt = clean_prompt(text)
        max_words = self.card.get("max_words")
        if isinstance(max_words, int) and len(prompt.split()) > max_words:
            raise SjcError(
                f"The prompt has {len(prompt.split())} words; {self.name} was trained on at most {max_words}. "
                "Shorten it, or choose a bigger model."
            )
        self.check(prompt)
        if not self._ids(prompt):
            raise SjcError(f'The prompt "{prompt}" holds no word that {self.name} can read; say what to make in words.')
        own, whole = len(self._ids(prompt)), self._count(self._with_longest_view(prompt))
        if whole > self.max_tokens and not self.in_pieces:
            raise SjcError(
                f"The prompt is {own} tokens long; besides the words for the view, "
                f"{self.name[0].lower()}{self.name[1:]} has room for {self.max_tokens - whole + own}. Shorten it."
            )
        return prompt

    def check(self, text: str) -> None:
        """Raises SjcError for a sentence with unknown words or too many tokens; the empty sentence passes."""
        special, words = self._markers(), text.split()
        ids = (
            self.tokenizer([self._normal(word) for word in words], add_special_tokens=False).input_ids if words else []
        )
        unknown = [word for word, own in zip(words, ids, strict=True) if special.intersection(own)]
        if unknown:
            raise SjcError(self._unknown_line([word.strip(string.punctuation) or word for word in unknown]))
        count = self._count(text)
        if count > self.max_tokens and not self.in_pieces:
            raise SjcError(
                f'"{_shortened(text)}" is {count} tokens long; {self.name} reads at most {self.max_tokens}. Shorten it.'
            )

    def _markers(self) -> set[int]:
        """Ids that stand for no word: unknown, padding, ends.  Stable Diffusion 2 pads with "!", a word."""
        markers = set(self.tokenizer.all_special_ids)
        if not re.fullmatch(r"<.*>|\[.*\]", str(self.tokenizer.pad_token)):
            markers.discard(self.tokenizer.pad_token_id)
        return markers

    def _normal(self, text: str) -> str:
        return text.lower().strip() if self.lower else text

    def _with_longest_view(self, prompt: str) -> str:
        return view_prompt(self.card.get("view_words", "paper"), 350, 80, prompt)

    def _count(self, text: str) -> int:
        return len(self.tokenizer(self._normal(text)).input_ids)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(self._normal(text), add_special_tokens=False).input_ids)

    def _unknown_line(self, unknown: list[str]) -> str:
        named = ", ".join(f'"{_shortened(word)}"' for word in dict.fromkeys(unknown))
        groups = {k: list(words) for k, words in self.card.get("words", {}).items() if k not in UNLISTED and words}
        line = f"{self.name} does not know {named}"
        if near := '", "'.join(near_words(unknown, groups)):
            line += f' (did you mean "{near}"?)'
        if groups:
            line += "; it knows " + "; ".join(f"{kind}: {', '.join(words)}" for kind, words in groups.items())
        line += f". For other words choose a bigger model, such as {BIGGER} from the Hugging Face hub."
        return line


def _shortened(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
