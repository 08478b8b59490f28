"""`ImageModel`: what all models of images share, whatever library they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from repscape.data.images import as_pil
from repscape.errors import InvalidParameterError, SampleError
from repscape.extract.marks import Marks
from repscape.extract.models.base import LoadedModel, ModelInputs, Prepared
from repscape.extract.models.structure import CallSeen, find_stacks, name_layers, watch
from repscape.extract.models.weights import one_line


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageModel(LoadedModel):
    """An image model, or the image tower of another model.

    Attributes
    ----------
    transform : callable
        From a PIL image in RGB to the tensor (C, H, W) that the model takes.
    patch : (int, int) or None
        The size of a patch in pixels, if the model cuts images into patches in a row.
    prefix : int, optional
        How many positions stand before the patches; by default it is found out.
    counts_prefix : bool
        Whether class token and registers count when all positions are pooled.
    inside : str
        The name of the submodule in which the blocks are; empty: anywhere.
    depth : int, optional
        How many blocks there are, if that is known.
    argument : str, optional
        The name of the argument of forward that is the image; None: its only argument.
    more_aliases : mapping
        Canonical names beside those of the blocks.
    """

    transform: Callable[[Any], torch.Tensor]
    patch: tuple[int, int] | None = None
    prefix: int | None = None
    counts_prefix: bool = True
    inside: str = ""
    depth: int | None = None
    argument: str | None = None
    more_aliases: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, content: Any) -> Prepared:
        """Resize, crop and scale as the model's own transform does; see `LoadedModel.prepare`."""
        refuse_text(content)
        return Prepared(self.transform(as_pil(content)))

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Stack images of one size; see `LoadedModel.collate`."""
        pixels = torch.stack([one.content for one in prepared])
        return ModelInputs(self._arguments(pixels), self._marks(pixels))

    def _arguments(self, pixels: torch.Tensor) -> Any:
        dtype = next((p.dtype for p in self.module.parameters()), pixels.dtype)
        cast = pixels.to(dtype) if pixels.is_floating_point() else pixels
        return cast if self.argument is None else {self.argument: cast}

    def _run(self, pixels: torch.Tensor) -> Any:
        given = ModelInputs(self._arguments(pixels)).to(self.device).arguments
        return self.module(**given) if isinstance(given, Mapping) else self.module(given)

    def _gray(self) -> torch.Tensor:
        """A batch of one gray image, to find the layers with."""
        return self.transform(as_pil(np.full((3, 64, 64), 0.5, np.float32)))[None]

    @cached_property
    def _structure(self) -> tuple[dict[str, str], int]:
        """The canonical layers, and how many positions stand before the patches.

        Found by one forward pass, whose tensors are not kept.
        """
        pixels = self._gray()
        calls = watch(self.module, lambda: self._run(pixels))
        within = f"{self.inside}." if self.inside else ""
        found = find_stacks(self.module.get_submodule(self.inside), self.depth)
        stacks = {side: frozenset(within + path for path in paths) for side, paths in found.items()}
        prefix = self._prefix_before(calls, stacks.get("", frozenset()), pixels)
        return name_layers(self.module, calls, stacks), prefix

    def _find_aliases(self) -> Mapping[str, str]:
        return {**self._structure[0], **self.more_aliases}

    # ---- positions ----

    def _marks(self, pixels: torch.Tensor) -> Marks:
        if self.patch is None:
            return Marks()
        return Marks(
            prefix=self._prefix, places=self._places(pixels), counts_prefix=self.counts_prefix
        )

    def _places(self, pixels: torch.Tensor) -> int:
        assert self.patch is not None
        return (pixels.shape[-2] // self.patch[0]) * (pixels.shape[-1] // self.patch[1])

    @property
    def _prefix(self) -> int:
        return self._structure[1] if self.prefix is None else self.prefix

    def _prefix_before(
        self, calls: Sequence[CallSeen], blocks: Set[str], pixels: torch.Tensor
    ) -> int:
        """The positions before the patches where the blocks begin."""
        given = next((call.given for call in calls if call.name in blocks), None)
        if self.patch is None or given is None or given.ndim != 3:
            return 0
        return max(0, given.shape[1] - self._places(pixels))


def refuse_text(content: Any) -> None:
    """Raise `SampleError` if a sample is text."""
    if isinstance(content, str | bytes):
        raise SampleError("it is text, but this model takes images")


def counts_prefix(special_tokens: str | None) -> bool:
    """Whether the option says that class token and registers count."""
    if special_tokens not in (None, "include", "exclude"):
        raise InvalidParameterError(
            f"special_tokens={special_tokens!r}: an image model's class token and registers are "
            "part of it: 'include' or 'exclude' them"
        )
    return special_tokens != "exclude"


def described(transform: Any, special_tokens: str | None) -> str:
    """The preprocessing of a model whose transform prints itself."""
    return f"transform={one_line(transform)}; special_tokens={special_tokens or 'include'}"


def square(size: Any) -> tuple[int, int]:
    """The height and width of a patch, given as one number or as both."""
    return (int(size), int(size)) if isinstance(size, int) else (int(size[0]), int(size[1]))


def classifier_aliases(module: torch.nn.Module, classifier: str | None) -> dict[str, str]:
    """`pre_logits` and `logits`: what goes into the classifier of a model and what comes out."""
    if classifier is None or not isinstance(module.get_submodule(classifier), torch.nn.Linear):
        return {}
    return {"pre_logits": f"{classifier}:input", "logits": classifier}
