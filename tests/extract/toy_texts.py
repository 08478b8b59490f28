"""A small language model of characters, as the adapters give one, for tests of the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from repscape.errors import SampleError
from repscape.extract.marks import Marks
from repscape.extract.models.base import LoadedModel, ModelInputs, Prepared
from repscape.extract.revision import digest_of_weights

CONTEXT = 24


class Characters(nn.Module):
    """Embeds characters, mixes each with those before it, and has two blocks."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.embed = nn.Embedding(128, width)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.most = 10**9
        self.sizes: list[int] = []

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(tokens))
        if len(tokens) > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {len(tokens)} > {self.most}")
        x = self.embed(tokens)
        for block in self.blocks:
            x = torch.tanh(block(x.cumsum(1) / 8))
        return x


@dataclass(frozen=True, kw_only=True, eq=False)
class CharacterModel(LoadedModel):
    """Pads on the right; the mask leaves padding out."""

    prepared: list[str] = field(default_factory=list)

    def prepare(self, content: Any) -> Prepared:
        if not isinstance(content, str):
            raise SampleError(f"it is a {type(content).__name__}, not text")
        if not content:
            raise SampleError("its text is empty")
        self.prepared.append(content)
        ids = [ord(c) % 128 for c in content]
        return Prepared(ids[:CONTEXT], min(len(ids), CONTEXT), len(ids) > CONTEXT)

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        longest = max(one.length for one in prepared)
        tokens = torch.zeros(len(prepared), longest, dtype=torch.int64)
        mask = torch.zeros(len(prepared), longest, dtype=torch.bool)
        for row, one in enumerate(prepared):
            tokens[row, : one.length] = torch.tensor(one.content)
            mask[row, : one.length] = True
        return ModelInputs({"tokens": tokens}, Marks(mask=mask, token_ids=tokens))


def character_model(**given: Any) -> CharacterModel:
    torch.manual_seed(0)
    module = Characters().eval()
    return CharacterModel(
        name="characters",
        revision=digest_of_weights(module),
        modality="text",
        module=module,
        preprocessing="ord",
        device=torch.device("cpu"),
        **given,
    )


def texts(n: int, seed: int = 0) -> list[tuple[str, str, int]]:
    """Texts of 1 to 30 characters: (id, text, label)."""
    draws = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnop "))
    return [
        (f"t{k}", "".join(draws.choice(letters, draws.integers(1, 31))), k % 3) for k in range(n)
    ]
