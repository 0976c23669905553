"""From sentences to the text encoder's states, with every refusal a person should see."""

from __future__ import annotations

import difflib
import string
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from .prompts import clean_prompt, view_prompt

MAX_TOKENS = 77
"""What diffusers' pixel pipelines encode at most, whatever the tokenizer could."""
UNLISTED = ("fillers", "views")
"""Kinds of words on a model's card that say nothing about what can be made."""


class TextEncoder:
    """Tokenizer and encoder of one model; each distinct sentence is encoded once and kept."""

    def __init__(self, tokenizer: Any, encoder: Any, *, card: dict[str, Any], name: str, lower: bool) -> None:
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.card = card
        self.name = name
        self.lower = lower
        self.max_tokens = min(int(tokenizer.model_max_length), MAX_TOKENS)
        # T5 is trained with the padding masked; CLIP pipelines leave the mask out unless the config asks for it.
        config = encoder.config
        self.masked = config.model_type != "clip_text_model" or bool(
            getattr(config, "use_attention_mask", False)
        )
        self._cache: dict[str, Tensor] = {}

    @torch.no_grad()
    def encode(self, texts: list[str]) -> Tensor:
        """N sentences -> the encoder's states [N, tokens, width].  Raises SjcError as `check` does."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._cache]
        for text in fresh:
            self.check(text)
        for start in range(0, len(fresh), 32):
            part = fresh[start : start + 32]
            tokens = self.tokenizer(
                [self._normal(text) for text in part],
                padding="max_length",
                max_length=self.max_tokens,
                truncation=True,
                return_tensors="pt",
            ).to(self.encoder.device)
            mask = tokens.attention_mask if self.masked else None
            states = self.encoder(input_ids=tokens.input_ids, attention_mask=mask).last_hidden_state
            self._cache.update(zip(part, states.unbind(0), strict=True))
        return torch.stack([self._cache[text] for text in texts])

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt.

        Raises SjcError if it is empty, too long together with the longest view words, or holds words that the model
        has never seen.
        """
        prompt = clean_prompt(text)
        most = self.card.get("max_words")
        if isinstance(most, int) and len(prompt.split()) > most:
            raise SjcError(
                f"The prompt has {len(prompt.split())} words; {self.name} was trained on at most {most}. Shorten it, or "
                "choose a bigger model with --model."
            )
        self.check(prompt)
        if not self._ids(prompt):
            raise SjcError(
                f'The prompt "{prompt}" holds no word that {self.name} can read; say what to make in words.'
            )
        own, whole = len(self._ids(prompt)), self._count(self._with_longest_view(prompt))
        if whole > self.max_tokens:
            raise SjcError(
                f"The prompt is {own} tokens long; beside the words for the view {self.name[0].lower()}{self.name[1:]} "
                f"has room for {self.max_tokens - whole + own}. Shorten it."
            )
        return prompt

    def check(self, text: str) -> None:
        """Any sentence, the empty one too: raises SjcError if words are unknown or the tokens too many."""
        special = set(self.tokenizer.all_special_ids)
        unknown = [word for word in text.split() if special.intersection(self._ids(word))]
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
        groups = {
            k: list(words) for k, words in self.card.get("words", {}).items() if k not in UNLISTED and words
        }
        line = f"{self.name} does not know {named}"
        close = difflib.get_close_matches(
            unknown[0].lower(), [w for words in groups.values() for w in words], n=1
        )
        if close:
            line += f' (did you mean "{close[0]}"?)'
        if groups:
            line += "; it knows " + "; ".join(f"{kind}: {', '.join(words)}" for kind, words in groups.items())
        return line + ". For other words choose a bigger model with --model."


def _shortened(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
