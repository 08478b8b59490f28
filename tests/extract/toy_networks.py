"""Small networks for the tests of the extraction; some of them count or misbehave."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


class Counting(nn.Module):
    """Passes on what the module inside gives, and counts how often it starts."""

    def __init__(self, inside: nn.Module, counts: Counter[str], name: str) -> None:
        super().__init__()
        self.inside = inside
        self._counts = counts
        self._name = name

    def forward(self, x):
        self._counts[self._name] += 1
        return self.inside(x)


class Conv(nn.Module):
    """Convolutions with an in-place activation, normalization, dropout and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = self.drop(self.act(self.norm(self.conv1(x))))
        return self.head(self.conv2(x).mean((2, 3)))


class Blocks(nn.Module):
    """Blocks that run in another order than they are defined in, the last one first."""

    def __init__(self, counts: Counter[str] | None = None, depth: int = 4) -> None:
        super().__init__()
        counts = Counter() if counts is None else counts
        self.head = Counting(nn.Linear(8, 2), counts, "head")
        self.blocks = nn.ModuleList(
            Counting(nn.Linear(8, 8), counts, f"blocks.{i}") for i in range(depth)
        )

    def forward(self, x):
        for block in reversed(self.blocks):
            x = x + torch.tanh(block(x))
        return self.head(x)


class Reused(nn.Module):
    """One layer called three times, another once in between."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Linear(8, 8)
        self.middle = nn.Tanh()
        self.unused = nn.Linear(1, 1)

    def forward(self, x):
        x = self.block(x)
        x = self.block(self.middle(x))
        return self.block(x)


class Tokens(nn.Module):
    """A transformer of torch's own encoder layers, on token ids."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(8)

    def forward(self, tokens, scale=1.0):
        return self.norm(self.encoder(self.embed(tokens) * scale))


@dataclass
class Record:
    note: str
    hidden: torch.Tensor


class Giving(nn.Module):
    """Gives what a function makes of the input."""

    def __init__(self, make) -> None:
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


class Wrapped(nn.Module):
    """A layer `inside` whose output the model itself does not look at."""

    def __init__(self, make) -> None:
        super().__init__()
        self.inside = Giving(make)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.inside(x)
        return x


def build(kind, seed: int = 0, **arguments):
    """A network with weights drawn from a seed, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(**arguments).train()


def vectors(n: int, size: int, d: int = 8, seed: int = 0):
    """Batches of `size` random vectors with ids s0, s1, … and labels."""
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32))
    return _batches(x, size)


def images(n: int, size: int, seed: int = 0):
    """Batches of `size` random one-channel images of 8 × 8."""
    x = np.random.default_rng(seed).standard_normal((n, 1, 8, 8), dtype=np.float32)
    return _batches(torch.from_numpy(x), size)


def sentences(n: int, size: int, length: int = 5, seed: int = 0):
    """Batches of `size` random sentences of token ids."""
    x = np.random.default_rng(seed).integers(0, 11, (n, length))
    return _batches(torch.from_numpy(x), size)


def _batches(x, size):
    parts = [range(start, min(start + size, len(x))) for start in range(0, len(x), size)]
    return [([f"s{i}" for i in p], x[p.start : p.stop], [i % 3 for i in p]) for p in parts]
