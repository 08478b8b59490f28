"""From texts to token ids: special tokens, truncation, prompt and answer, padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from repscape.errors import InvalidParameterError, SampleError, did_you_mean

SPECIAL_TOKENS = ("include", "exclude", "omit")
PARTS = ("all", "prompt", "answer")
_PROMPT, _ANSWER = 0, 1
Ids: TypeAlias = list[int]


@dataclass(frozen=True)
class TextOptions:
    """What the user decides about texts; see `hf.load`. None: what fits the model."""

    special_tokens: str | None = None
    padding_side: str = "right"
    padding: str | None = None
    max_length: int | None = None
    truncation_side: str = "right"
    overlong: str = "truncate"
    part: str = "all"

    def __post_init__(self) -> None:
        for option, allowed in (
            ("special_tokens", SPECIAL_TOKENS),
            ("padding_side", ("right", "left")),
            ("padding", ("longest", "max_length")),
            ("truncation_side", ("right", "left")),
            ("overlong", ("truncate", "refuse")),
            ("part", PARTS),
        ):
            value = getattr(self, option)
            if value is not None and value not in allowed:
                raise InvalidParameterError(
                    f"{option}={value!r}: {did_you_mean(str(value), allowed)} "
                    f"(allowed: {', '.join(allowed)})"
                )
        if self.max_length is not None and self.max_length < 1:
            raise InvalidParameterError(f"max_length={self.max_length}: must be at least 1")

    @property
    def printed(self) -> str:
        """All of it that changes numbers."""
        shown = {
            "special_tokens": self.special_tokens,
            "padding": self.padding,
            "max_length": self.max_length,
            "truncation_side": self.truncation_side,
            "part": self.part,
        }
        return "; ".join(f"{name}={value}" for name, value in shown.items() if value is not None)


@dataclass(frozen=True)
class Tokens:
    """One tokenized text: ids, which of them are special, and to which part they belong."""

    ids: Ids
    special: list[bool]
    parts: list[int]
    types: Ids | None = None
    truncated: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def counted(self, options: TextOptions) -> list[bool]:
        """Which tokens count when tokens are pooled."""
        part = {"all": None, "prompt": _PROMPT, "answer": _ANSWER}[options.part]
        return [
            not (special and options.special_tokens == "exclude") and part in (None, own)
            for special, own in zip(self.special, self.parts, strict=True)
        ]

    def cut(self, most: int, side: str) -> Tokens:
        """Leave out tokens that are not special, at one side, until `most` are left."""
        plain = [place for place, special in enumerate(self.special) if not special]
        surplus = len(self.ids) - most
        dropped = set(plain[len(plain) - surplus :] if side == "right" else plain[:surplus])
        kept = [place for place in range(len(self.ids)) if place not in dropped]
        return Tokens(
            [self.ids[k] for k in kept],
            [self.special[k] for k in kept],
            [self.parts[k] for k in kept],
            None if self.types is None else [self.types[k] for k in kept],
            truncated=True,
        )


@dataclass(frozen=True)
class Tokenization:
    """A tokenizer with the options of the user and the context of the model."""

    tokenizer: Any
    options: TextOptions
    context: int | None
    joins_pairs: bool
    unknown: int | None = None
    names: tuple[str, str] = field(default=("prompt", "answer"))
    spaced: bool = False

    def split(self, content: Any) -> tuple[str, str | None]:
        """A text, or a prompt with its answer."""
        if isinstance(content, str):
            parts: tuple[Any, Any] = (content, None)
        elif isinstance(content, Mapping) and set(content) == set(self.names):
            parts = (content["prompt"], content["answer"])
        elif isinstance(content, tuple | list) and len(content) == 2:
            parts = (content[0], content[1])
        else:
            raise SampleError(
                f"it is no text but a {type(content).__name__}: this model takes text, or a "
                "prompt with its answer, ('…', '…')"
            )
        for part in parts:
            if part is not None and not isinstance(part, str):
                raise SampleError(f"it is no text but holds a {type(part).__name__}")
            if part is not None and not part.strip():
                raise SampleError(no_text(part))
        if parts[1] is None and self.options.part == "answer":
            raise SampleError("it has no answer, whose tokens alone should count (part='answer')")
        return parts

    def __call__(self, text: str, answer: str | None = None) -> Tokens:
        """Tokenize one text, or a prompt and its answer into one sequence.

        With `spaced`, the letters of the text are words of their own, as ProtBERT has them.
        """
        if self.spaced:
            text = " ".join("".join(text.split()))
            answer = None if answer is None else " ".join("".join(answer.split()))
        if answer is None:
            tokens = self._encoded(text)
        elif self.joins_pairs:
            tokens = self._pair(text, answer)
        else:
            tokens = _joined(self._encoded(text), self.plain(answer))
        if self.unknown is not None and self.unknown in tokens.ids:
            raise SampleError(self._unknown_message(text))
        return self._fitted(tokens)

    def plain(self, text: str) -> Tokens:
        """Tokenize without special tokens."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return Tokens(ids, [False] * len(ids), [_PROMPT] * len(ids))

    def _encoded(self, text: str, answer: str | None = None) -> Tokens:
        encoded = self.tokenizer(
            *((text,) if answer is None else (text, answer)),
            add_special_tokens=self.options.special_tokens != "omit",
            return_special_tokens_mask=True,
        )
        ids = encoded["input_ids"]
        special = [bool(mark) for mark in encoded["special_tokens_mask"]]
        return Tokens(ids, special, [_PROMPT] * len(ids), encoded.get("token_type_ids"))

    def _pair(self, text: str, answer: str) -> Tokens:
        tokens = self._encoded(text, answer)
        prompt = len(self.plain(text))
        seen, parts = 0, []
        for special in tokens.special:
            seen += not special
            parts.append(_PROMPT if seen <= prompt else _ANSWER)
        return Tokens(tokens.ids, tokens.special, parts, tokens.types)

    def _fitted(self, tokens: Tokens) -> Tokens:
        if self.context is None or len(tokens) <= self.context:
            return tokens
        if self.options.overlong == "refuse":
            raise SampleError(
                f"it has {len(tokens)} tokens, and the model takes {self.context}: shorten it, or "
                "cut it with overlong='truncate'"
            )
        if sum(tokens.special) >= self.context:
            raise SampleError(f"max_length={self.context} leaves no room beside special tokens")
        return tokens.cut(self.context, self.options.truncation_side)

    def _unknown_message(self, text: str) -> str:
        known = self.tokenizer.get_vocab()
        strange = sorted({letter for letter in text if letter not in known} - {" "})
        shown = ", ".join(map(repr, strange)) or repr(text)
        return f"it holds residues that the model does not know: {shown}"


def no_text(content: str) -> str:
    """What is wrong with a text that has no words."""
    if content:
        return f"it is a text of white space only ({content[:20]!r})"
    return "it is an empty text, which has no tokens"


def _joined(prompt: Tokens, answer: Tokens) -> Tokens:
    """A prompt and its answer in one sequence; special tokens that close the prompt go last."""
    end = len(prompt)
    while end and prompt.special[end - 1]:
        end -= 1
    closing = len(prompt) - end
    types = None if prompt.types is None else [prompt.types[0]] * (len(prompt) + len(answer))
    return Tokens(
        prompt.ids[:end] + answer.ids + prompt.ids[end:],
        prompt.special[:end] + answer.special + prompt.special[end:],
        prompt.parts[:end] + [_ANSWER] * (len(answer) + closing),
        types,
    )


def padded(rows: Sequence[Sequence[int | bool]], fill: int, length: int, side: str) -> torch.Tensor:
    """Stack rows of different lengths, filled up at one side."""
    filled = []
    for row in rows:
        filler = [fill] * (length - len(row))
        filled.append([*filler, *row] if side == "left" else [*row, *filler])
    return torch.tensor(filled)
