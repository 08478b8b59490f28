"""`Marks`: which positions of the samples of a batch count, and which are padding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Marks:
    """What is known about the positions (tokens, patches) of a batch; by default nothing.

    Attributes
    ----------
    mask : tensor of bool (n, T), optional
        The tokens that count when tokens are pooled.
    attended : tensor of bool (n, T), optional
        The tokens that are no padding; by default those that count.
    token_ids : tensor of int (n, T), optional
    prefix : int
        How many positions in front of an image's patches are no place in space: the class
        token, registers.
    places : int, optional
        How many patches an image has; a layer that gives `prefix + places` positions has the
        prefix, one that gives `places` has it not (yet).
    counts_prefix : bool
        Whether the prefix counts when all positions are pooled.
    """

    mask: torch.Tensor | None = None
    attended: torch.Tensor | None = None
    token_ids: torch.Tensor | None = None
    prefix: int = 0
    places: int | None = None
    counts_prefix: bool = True

    def to(self, device: torch.device | None) -> Marks:
        """The same marks on another device."""
        if device is None:
            return self
        moved = {
            name: tensor.to(device)
            for name in ("mask", "attended", "token_ids")
            if (tensor := getattr(self, name)) is not None
        }
        return replace(self, **moved)


NOTHING_KNOWN = Marks()
