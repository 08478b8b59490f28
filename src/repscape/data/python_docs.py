"""The documentation topics that ship inside Python, in pieces: sentences, code, and the rest.

They are the text of Python's own `help()` (the module `pydoc_data.topics`), about half a million
signs, and differ between versions of Python; what is read from them is named by its content.
"""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np

from repscape.data.subsets import hashed_order
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

Kind: TypeAlias = Literal["prose", "code"]

KINDS = ("prose", "code")
_SENTENCE_SIGNS = (50, 220)
_CODE_SIGNS = (10, 400)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_BETWEEN_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"“])")
# A name or a literal that stands alone is as likely a term of the prose.
_NO_CODE = (ast.Name, ast.Constant, ast.Attribute, ast.BinOp)


@dataclass(frozen=True)
class Piece:
    """A sentence, a block of code, or other text of one topic.

    Attributes
    ----------
    text : str
    topic : str
    kind : str
        `"prose"`, `"code"` or `"other"`.
    """

    text: str
    topic: str
    kind: str

    @property
    def id(self) -> str:
        """`topic/digest of the text`: the same wherever the piece stands."""
        return f"{self.topic}/{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"


@cache
def pieces() -> tuple[Piece, ...]:
    """All pieces in the order of the topics; a repeated sentence or code stands there once.

    Prose is a sentence of 50 to 220 signs with its white space joined, code an indented block
    (or the input lines of a console session) of 10 to 400 signs that Python can parse.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    found = []
    for topic in sorted(topics):
        for piece in _of_topic(topic, topics[topic]):
            if piece.kind == "other" or piece.text not in seen:
                seen.add(piece.text)
                found.append(piece)
    return tuple(found)


def prompts(
    kind: str, split: str = "held_out", *, held_out: float = 0.5, seed: int = 0
) -> list[Piece]:
    """The sentences or the blocks of code of one split, in the order of the topics.

    Parameters
    ----------
    kind : "prose" or "code"
    split : "train", "held_out" or "all"
        Drawn from a hash of the pieces' ids.
    held_out : float
        The fraction, strictly between 0 and 1, that is held out.
    seed : int
        Another seed, another draw.
    """
    if kind not in KINDS:
        raise UnknownNameError(f"python-docs has no kind {kind!r}: {did_you_mean(kind, KINDS)}")
    if split not in SPLITS:
        raise UnknownNameError(f"python-docs has no split {split!r}: {did_you_mean(split, SPLITS)}")
    out = _held_out(kind, held_out, seed)
    every = [piece for piece in pieces() if piece.kind == kind]
    if split == "all":
        return every
    return [piece for piece in every if (piece.id in out) == (split == "held_out")]


SPLITS = ("train", "held_out", "all")


def training_text(*, held_out: float = 0.5, seed: int = 0) -> str:
    """All topics without the held-out sentences and code, one piece after the other."""
    out = {identity for kind in KINDS for identity in _held_out(kind, held_out, seed)}
    return "\n".join(piece.text for piece in pieces() if piece.id not in out)


def text_revision(text: str) -> str:
    """A digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _held_out(kind: str, held_out: float, seed: int) -> frozenset[str]:
    if not 0.0 < held_out < 1.0:
        raise InvalidParameterError(
            f"held_out={held_out!r}: give a fraction strictly between 0 and 1, e.g. 0.5"
        )
    ids = np.asarray([piece.id for piece in pieces() if piece.kind == kind])
    order = hashed_order(ids, data=f"python-docs/{kind}", split="held_out", seed=seed)
    return frozenset(ids[order[: round(held_out * len(ids))]].tolist())


def _of_topic(topic: str, text: str) -> Iterator[Piece]:
    for block in _BLANK_LINE.split(text):
        if not block.strip():
            continue
        code = _code(block)
        if code is not None:
            yield Piece(code, topic, "code")
        elif block.startswith((" ", "*")):
            yield Piece(textwrap.dedent(block).strip("\n"), topic, "other")
        else:
            for sentence in _BETWEEN_SENTENCES.split(" ".join(block.split())):
                yield Piece(sentence, topic, "prose" if _is_sentence(sentence) else "other")


def _is_sentence(text: str) -> bool:
    low, high = _SENTENCE_SIGNS
    return low <= len(text) <= high and text[0].isupper() and text.endswith(".")


def _code(block: str) -> str | None:
    """The code of an indented block, or None if it is none."""
    if not all(line.startswith("   ") for line in block.splitlines() if line.strip()):
        return None
    lines = textwrap.dedent(block).splitlines()
    if any(line.startswith(">>>") for line in lines):
        lines = [line[4:] for line in lines if line.startswith((">>>", "..."))]
    source = "\n".join(lines).strip("\n")
    low, high = _CODE_SIGNS
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    prose = all(isinstance(n, ast.Expr) and isinstance(n.value, _NO_CODE) for n in tree.body)
    return source if not prose and low <= len(source) <= high else None
