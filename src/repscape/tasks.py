"""`Task`: one slow thing to do, named by the hash of its full recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    from repscape.store import Store

KEY_CHARACTERS = 40


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the bytes of an artefact, and nothing else.

    Device, batch size, number of workers and paths do not belong here: they are recorded
    beside the artefact.

    Attributes
    ----------
    kind : str
        What is made: `"representation"`, `"checkpoint"`, `"neighbours"`, `"table"`, …
    version : int
        The declared version of the code that makes it; a change of the numbers raises it.
    parameters : mapping
        Plain JSON values: strings, integers, floats, booleans, None, lists, mappings.
    inputs : mapping of role to key
        The keys of the artefacts that it is made from.
    """

    kind: str
    version: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return {
            "kind": self.kind,
            "version": self.version,
            "parameters": dict(self.parameters),
            "inputs": dict(self.inputs),
        }

    @property
    def key(self) -> str:
        """The content-addressed key: a hash of the canonical JSON of the recipe."""
        return digest_json(self.to_dict())


@dataclass(frozen=True)
class Task:
    """A recipe and the function that makes its artefact.

    `make(store)` writes the artefact `recipe.key` into the store; it is called only if the
    artefact is missing. `label` is what progress displays show; `needs` are the tasks whose
    artefacts are its inputs; `threads` is how many threads it may use, whatever runs it.
    """

    recipe: Recipe
    make: Callable[[Store], None]
    label: str
    stage: str
    needs: tuple[Task, ...] = ()
    threads: int = 1

    @property
    def key(self) -> str:
        """The key of the artefact that this task makes."""
        return self.recipe.key


def digest_json(value: Any) -> str:
    """A hash of a plain JSON value, the same for the same value in every process.

    Raises `InvalidParameterError` for anything that JSON cannot say exactly (NaN, objects).
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise InvalidParameterError(
            f"a recipe holds something JSON cannot say: {problem}"
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]
