"""From sentences to the text encoder's states, with every refusal a person should see."""

from __future__ import annotations

import difflib
import string
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from ..guidance.prompts import clean_prompt, view_prompt
from .memory_fallback import Descent
from .text_cache import TextCache
from .text_encoders import Condition, Reader, Scheme, joined

UNLISTED = ("fillers", "views")
"""Kinds of words on a model's card that say nothing about what can be made."""


class NoText:
    """In the place of `TextEncoder` where a model takes no text: only the empty sentence can be encoded."""

    def prepare(self, prompt: str, view_words: str, negative: str = "") -> None:
        """There is nothing to read."""

    def __init__(self, name: str, card: dict[str, Any]) -> None:
        self.name, self.card = name, card

    def conditions(self, texts: list[str]) -> Condition:
        """Nothing, [N,0,0]. Raises SjcError for a sentence."""
        if any(texts):
            self.check_prompt("")
        return Condition(torch.zeros(len(texts), 0, 0))

    def unconditional(self, negative: str) -> Condition:
        """As `conditions`, one row."""
        return self.conditions([negative])

    def check_prompt(self, _text: object) -> str:
        """Raises SjcError, always."""
        raise SjcError(
            f"{self.name} takes no text, so no prompt can steer it; choose a text-to-image model with --model."
        )


class TextEncoder:
    """What reads for one model; each distinct sentence is encoded once and kept.

    readers: the first one's tokenizer checks sentences.  scheme: from sentences to conditions.  store: where conditions
    are kept on disk, for encoders so large that they are let go once they have read.  device: where conditions go.
    most, descent: how many sentences are read at once, and what is done where that finds no room.
    lower: whether prompts are lower-cased.  zero_empty: whether the empty negative prompt is all zeros rather than the
    encoded empty sentence (SDXL's force_zeros_for_empty_prompt).
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        scheme: Scheme,
        *,
        device: torch.device | str = "cpu",
        store: TextCache | None = None,
        card: dict[str, Any],
        name: str,
        lower: bool,
        zero_empty: bool,
    ) -> None:
        self.readers, self.scheme, self.store = readers, scheme, store
        self.tokenizer, self.max_tokens = readers[0].tokenizer, readers[0].max_tokens
        self.device = torch.device(device)
        self.card = card
        self.name = name
        self.lower = lower
        self.zero_empty = zero_empty
        self.most = 32  # sentences at once
        self.descent = Descent(iter(()), "There is not enough memory for the text encoders.")
        self._cache: dict[str, Condition] = {}

    @torch.no_grad()
    def conditions(self, texts: list[str]) -> Condition:
        """N sentences -> N rows of what the network is told.  Raises SjcError as `check` does."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._cache]
        for text in fresh:
            self.check(text)
        if self.store:
            kept = {text: self.store.get(self._normal(text)) for text in fresh}
            self._cache.update({text: found.to(self.device) for text, found in kept.items() if found})
            fresh = [text for text in fresh if text not in self._cache]
        if fresh:
            found = self.descent(lambda: self._read(fresh))
            self._cache.update({text: found.take(torch.tensor([i])) for i, text in enumerate(fresh)})
        if self.store and fresh:
            for text in fresh:
                self.store.put(self._normal(text), self._cache[text])
            self.free()
        return joined([self._cache[text] for text in texts])

    def _read(self, texts: list[str]) -> Condition:
        normal = [self._normal(text) for text in texts]
        parts = [normal[start : start + self.most] for start in range(0, len(normal), self.most)]
        return joined([self.scheme(part).to(self.device) for part in parts])

    @property
    def encoder(self) -> Any:
        """The first reader's."""
        return self.readers[0].encoder

    def free(self) -> None:
        """Let the encoders go; they come back when a sentence needs them."""
        for reader in self.readers:
            reader.free()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def prepare(self, prompt: str, view_words: str, negative: str = "") -> None:
        """Large encoders read now whatever a run with this prompt may say; small ones read when asked."""
        if self.store:
            angles = [(a, e) for a in range(0, 360, 10) for e in range(-90, 91, 10)]
            views = dict.fromkeys(view_prompt(view_words, a, e, prompt) for a, e in angles)
            self.conditions([*views, negative])

    def encode(self, texts: list[str]) -> Tensor:
        """The states of `conditions` alone, [N, tokens, width]."""
        return self.conditions(texts).states

    def unconditional(self, negative: str) -> Condition:
        """What takes the prompt's place in the other half of classifier-free guidance, one row."""
        found = self.conditions([negative])
        return found.zeros() if self.zero_empty and not negative else found

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt.

        Raises SjcError if it is empty, too long together with the longest view words, or holds words that the model
        has never seen.
        """
        prompt = clean_prompt(text)
        most = self.card.get("max_words")
        if isinstance(most, int) and len(prompt.split()) > most:
            raise SjcError(
                f"The prompt has {len(prompt.split())} words; {self.name} was trained on at most {most}. "
                "Shorten it, or "
                "choose a bigger model with --model."
            )
        self.check(prompt)
        if not self._ids(prompt):
            raise SjcError(f'The prompt "{prompt}" holds no word that {self.name} can read; say what to make in words.')
        own, whole = len(self._ids(prompt)), self._count(self._with_longest_view(prompt))
        if whole > self.max_tokens:
            raise SjcError(
                f"The prompt is {own} tokens long; beside the words for the view {self.name[0].lower()}{self.name[1:]} "
                f"has room for {self.max_tokens - whole + own}. Shorten it."
            )
        return prompt

    def check(self, text: str) -> None:
        """Any sentence, the empty one too: raises SjcError if words are unknown or the tokens too many."""
        special, words = set(self.tokenizer.all_special_ids), text.split()
        ids = (
            self.tokenizer([self._normal(word) for word in words], add_special_tokens=False).input_ids if words else []
        )
        unknown = [word for word, own in zip(words, ids, strict=True) if special.intersection(own)]
        if unknown:
            raise SjcError(self._unknown_line([word.strip(string.punctuation) or word for word in unknown]))
        count = self._count(text)
        if count > self.max_tokens:
            raise SjcError(
                f'"{_shortened(text)}" is {count} tokens long; {self.name} reads at most {self.max_tokens}. Shorten it.'
            )

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
        close = difflib.get_close_matches(unknown[0].lower(), [w for words in groups.values() for w in words], n=1)
        if close:
            line += f' (did you mean "{close[0]}"?)'
        if groups:
            line += "; it knows " + "; ".join(f"{kind}: {', '.join(words)}" for kind, words in groups.items())
        return line + ". For other words choose a bigger model with --model."


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
