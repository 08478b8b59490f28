"""One tower of a model of images and texts, with its features in the common space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from repscape.errors import InvalidParameterError, did_you_mean

_METHODS = {"image": "get_image_features", "text": "get_text_features"}


class Tower(nn.Module):
    """One side of a model such as CLIP; `features` is its output in the common space."""

    methods: Mapping[str, str] = _METHODS

    def __init__(self, model: Any, takes: str) -> None:
        super().__init__()
        self.model = model
        self.takes = takes
        self.features = nn.Identity()

    def forward(self, **arguments: Any) -> Any:
        """Run this tower alone."""
        given = getattr(self.model, self.methods[self.takes])(**arguments)
        return self.features(getattr(given, "pooler_output", given))


def choose_tower(model: Any, tower: str | None, written: str) -> Any:
    """Return the tower asked for, or the model if it has none.

    Raises `InvalidParameterError` if a model has towers and none is chosen, or it has none.
    """
    towers = [takes for takes, method in _METHODS.items() if hasattr(model, method)]
    if len(towers) < 2:
        if tower is not None:
            raise InvalidParameterError(f"tower={tower!r}: {written!r} is no model of two towers")
        return model
    if tower not in towers:
        asked = "" if tower is None else f"tower={tower!r}: {did_you_mean(tower, towers)} "
        raise InvalidParameterError(
            f"{asked}{written!r} has a tower for each modality: choose tower='image' or 'text' "
            "(--model-option tower=image)"
        )
    return Tower(model, tower)
