"""`inspect_model`: the layers of a model, and what each gives for one sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from repscape.errors import InvalidParameterError
from repscape.extract.calls import CallRecorder
from repscape.extract.forward import Forward
from repscape.extract.layers import Selection
from repscape.extract.models.base import LoadedModel
from repscape.extract.state import evaluating
from repscape.extract.windows import Pass

_TEXT = "The quick brown fox jumps over the lazy dog."
_PROTEIN = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
_PIXELS = 256


@dataclass(frozen=True)
class LayerInfo:
    """One submodule.

    Attributes
    ----------
    name : str
        Its name in the model.
    aliases : tuple of str
        Canonical names of what it gives; those ending in `:input` of what goes in are its own.
    kind : str
        The class.
    depth : int
        How many modules it lies in.
    calls : int
        How often one forward pass calls it.
    shape : tuple of int, optional
        What its first call gives for one sample, without the axis of the samples.
    parameters : int
        Of it and all inside it.
    """

    name: str
    aliases: tuple[str, ...]
    kind: str
    depth: int
    calls: int
    shape: tuple[int, ...] | None
    parameters: int


def example_content(model: LoadedModel) -> Any:
    """A sample of the kind that a model takes: a sentence, a grey image, a protein.

    Raises `InvalidParameterError` for models of arrays, whose size nobody knows.
    """
    if model.modality == "text":
        return _TEXT
    if model.modality == "protein":
        return _PROTEIN
    if model.modality == "image":
        from repscape.extras import import_extra

        image = import_extra("PIL.Image", "vision", "an image to inspect the model with")
        return image.new("RGB", (_PIXELS, _PIXELS), (128, 128, 128))
    raise InvalidParameterError(
        f"{model.name} takes {model.modality}s: give data whose first sample it may be shown"
    )


def inspect_model(model: LoadedModel, content: Any) -> list[LayerInfo]:
    """Run one sample through a model and describe all its submodules, in the order of the tree.

    Raises
    ------
    SampleError
        If the model cannot take this content.
    """
    inputs = model.collate([model.prepare(content)])
    first = Pass(_ZERO, _ZERO, inputs.arguments, 0, inputs.marks_of)
    nothing = Selection(())
    with evaluating(model.module, None), CallRecorder(model.module, nothing) as recorder:
        trace, _ = Forward(recorder, (), model.device).learn(first)
    calls: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...] | None] = {}
    for output in trace.outputs:
        layer = output.call.layer
        calls[layer] = calls.get(layer, 0) + 1
        shapes.setdefault(layer, output.sample_shape)
    aliases = _by_module(model.aliases)
    return [
        LayerInfo(
            name,
            aliases.get(name, ()),
            type(part).__name__,
            name.count("."),
            calls.get(name, 0),
            shapes.get(name),
            sum(weight.numel() for weight in part.parameters()),
        )
        for name, part in model.module.named_modules()
        if name
    ]


def _by_module(aliases: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The canonical names by the module that they belong to."""
    found: dict[str, tuple[str, ...]] = {}
    for alias, site in aliases.items():
        module, colon, _ = site.partition("#")[0].partition(":")
        said = f"{alias} (its input)" if colon else alias
        found[module] = (*found.get(module, ()), said)
    return found


_ZERO = torch.zeros(1, dtype=torch.int64).numpy()
