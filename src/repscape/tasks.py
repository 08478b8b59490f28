"""`Task`: one slow thing to do, as plain data, named by the hash of its full recipe."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

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

    @cached_property
    def key(self) -> str:
        """The content-addressed key: a hash of the canonical JSON of the recipe."""
        return digest_json(self.to_dict())


@dataclass(frozen=True)
class Resources:
    """What a task is given wherever it runs.

    Attributes
    ----------
    cpus : int
        Threads, at least 1. Sums may be split by the number of threads, so every executor
        gives a task exactly this many.
    gpus : int
        Devices of its own.
    memory : int, optional
        Bytes.
    minutes : int, optional
        The time after which a cluster may end it.
    """

    cpus: int = 1
    gpus: int = 0
    memory: int | None = None
    minutes: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("cpus", 1), ("gpus", 0), ("memory", 1), ("minutes", 1)):
            value = getattr(self, name)
            if value is None and name in ("memory", "minutes"):
                continue
            if type(value) is not int or value < least:
                raise InvalidParameterError(
                    f"resources: {name}={value!r}: give a whole number of at least {least}"
                )


@dataclass(frozen=True)
class Task:
    """A recipe, and the name of the function that makes its artefact.

    A task is plain data, so that any process on any machine can run it from one JSON file.

    Attributes
    ----------
    recipe : Recipe
        Everything that determines the bytes of the artefact.
    run : str
        `"package.module:function"`. It is called as `function(store, task)`, finds its inputs
        by the keys in `task.recipe.inputs`, and writes the artefact `task.key`.
    label : str
        What progress displays show.
    stage : str
        The part of a study that it belongs to.
    arguments : mapping
        Plain JSON values that the function needs and that do not determine the bytes: paths,
        devices, batch sizes.
    needs : tuple of Task
        The tasks whose artefacts are its inputs. A task read back by `from_dict` has none.
    resources : Resources
        What it is given wherever it runs.
    """

    recipe: Recipe
    run: str
    label: str
    stage: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Task, ...] = field(default=(), repr=False, compare=False)
    resources: Resources = field(default_factory=Resources)

    @property
    def key(self) -> str:
        """The key of the artefact that this task makes."""
        return self.recipe.key

    @property
    def function(self) -> Callable[[Store, Task], None]:
        """The function that `run` names.

        Raises
        ------
        UnknownNameError
            If there is no such module or function.
        """
        module_name, _, name = self.run.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as problem:
            if problem.name is None or not f"{module_name}.".startswith(f"{problem.name}."):
                raise
            raise UnknownNameError(
                f"task {self.label!r} is run by {self.run!r}, but there is no module "
                f"{problem.name!r} here: install the package that made the task"
            ) from problem
        if not callable(getattr(module, name, None)):
            raise UnknownNameError(
                f"task {self.label!r} is run by {self.run!r}, but {module_name} has no function "
                f"{name!r}: {did_you_mean(name, vars(module))}"
            )
        function: Callable[[Store, Task], None] = getattr(module, name)
        return function

    def make(self, store: Store) -> None:
        """Make the artefact in this process; nothing is looked up or recorded."""
        self.function(store, self)

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain JSON values, the needed tasks as their keys."""
        return {
            "recipe": self.recipe.to_dict(),
            "run": self.run,
            "label": self.label,
            "stage": self.stage,
            "arguments": dict(self.arguments),
            "needs": [task.key for task in self.needs],
            "resources": asdict(self.resources),
        }

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Task:
        """Inverse of `to_dict`, but for `needs`: the inputs are found by their keys."""
        return cls(
            recipe=Recipe(**known["recipe"]),
            run=str(known["run"]),
            label=str(known["label"]),
            stage=str(known["stage"]),
            arguments=known["arguments"],
            resources=Resources(**known["resources"]),
        )


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
