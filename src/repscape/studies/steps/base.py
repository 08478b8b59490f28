"""The kinds of steps that a study file can name, and the registries that know them."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from matplotlib.figure import Figure

    from repscape.report.page import Headline, Section
    from repscape.tasks import Task

    Tables: TypeAlias = "Mapping[str, pd.DataFrame]"

ENTRY_POINTS = "repscape.studies.steps"


class Options(BaseModel):
    """The options of a step; unknown ones are refused with the nearest match."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoOptions(Options):
    """For steps without options."""


class Step(Protocol):
    """What all steps have."""

    @property
    def name(self) -> str:
        """What a study file calls it."""

    @property
    def summary(self) -> str:
        """What it does, in a line."""

    @property
    def options(self) -> type[Options]:
        """The schema of its options."""


S = TypeVar("S", bound=Step)


class Steps(Generic[S]):
    """The steps of one kind by name; modules beside this one are found by themselves."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._known: dict[str, S] = {}

    def register(self, step: S) -> S:
        """Make a step known under its name."""
        known = self._known.setdefault(step.name, step)
        if type(known) is not type(step) or known.options is not step.options:
            raise InvalidParameterError(f"two {self.what}s are called {step.name!r}")
        return step

    def names(self) -> list[str]:
        """The names of all registered steps, sorted."""
        _discover()
        return sorted(self._known)

    def find(self, name: str) -> S:
        """The step of this name, or at `package.module:ATTRIBUTE`.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        if ":" in name:
            return self._import(name)
        _discover()
        if name not in self._known:
            raise UnknownNameError(
                f"no {self.what} is called {name!r}: {did_you_mean(name, self._known)}"
            )
        return self._known[name]

    def _import(self, name: str) -> S:
        step = import_attribute(name, self.what)
        kinds = {type(known) for known in self._known.values()}
        if kinds and type(step) not in kinds:
            raise UnknownNameError(f"{name!r} is a {type(step).__name__}, not a {self.what}")
        return step  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Trainer:
    """Makes models: tasks that train, and how what they made is loaded.

    Attributes
    ----------
    name, summary, options
        As in the study file.
    task : callable (options, name of the model) -> Task
        Trains; models whose tasks have one recipe share it (checkpoints of one training).
    load : str
        `"package.module:function"`, called as `function(store, key, options)` with plain
        options; returns a `LoadedModel` or a `torch.nn.Module`.
    evaluate : str, optional
        `"package.module:function"`, called as `function(store, key, options)`, as a task of its
        own; returns further columns of the table of models, e.g. the held-out accuracy.
    version : int
        Of `evaluate`, raised whenever its numbers change.
    expect : callable (options) -> mapping, optional
        What `plan` may assume: layers, width, parameters, tokens, training_operations.
    untrained : callable (options) -> torch.nn.Module, optional
        The network before training, if that is made at once: names of layers can be checked.
    """

    name: str
    summary: str
    options: type[Options]
    task: Callable[[Any, str], Task]
    load: str
    evaluate: str | None = None
    version: int = 1
    expect: Callable[[Any], Mapping[str, float]] = lambda options: {}
    untrained: Callable[[Any], torch.nn.Module] | None = None


@dataclass(frozen=True)
class Reader:
    """Reads representations from files instead of running a model.

    Attributes
    ----------
    revision : callable (options, name of the data set) -> str
        Changes when the content of the files does; called when the study is planned.
    read : str
        `"package.module:function"`, called as `function(options, name of the data set)` with
        plain options; returns representations by layer, in the order of depth.
    look : callable (options, name of the data set), optional
        Raises what `revision` would about files that are not there, and reads no values:
        `repscape validate` calls it.
    """

    name: str
    summary: str
    options: type[Options]
    revision: Callable[[Any, str], str]
    read: str
    look: Callable[[Any, str], object] | None = None


@dataclass(frozen=True)
class Analysis:
    """Makes tables of tables; runs as a task of its own.

    Attributes
    ----------
    version : int
        Raised whenever the numbers change.
    run : str
        `"package.module:function"`, called as `function(tables, options)` with plain options;
        returns one table, or tables by name.
    needs : sequence of str
        The tables that it takes: models, scores, geometry, marks, overlaps, or the name of an
        analysis that stands before it.
    reads_representations : bool
        Whether `run` is also given a function from the keys in the table of representations to
        them.
    """

    name: str
    summary: str
    version: int
    run: str
    needs: Sequence[str]
    options: type[Options] = NoOptions
    reads_representations: bool = False


@dataclass(frozen=True)
class FigureStep:
    """Draws figures: `draw(tables, options)` returns them by a name that can name a file."""

    name: str
    summary: str
    draw: Callable[[Tables, Any], Mapping[str, Figure]]
    needs: Sequence[str]
    options: type[Options] = NoOptions


@dataclass(frozen=True)
class Part:
    """What a step adds to the report."""

    sections: Sequence[Section] = ()
    headlines: Sequence[Headline] = ()
    lead: str = ""


@dataclass(frozen=True)
class SectionStep:
    """Writes a part of the report: `write(tables, options)` returns it."""

    name: str
    summary: str
    write: Callable[[Tables, Any], Part]
    needs: Sequence[str]
    options: type[Options] = NoOptions


TRAINERS: Steps[Trainer] = Steps("training step")
READERS: Steps[Reader] = Steps("reader")
ANALYSES: Steps[Analysis] = Steps("analysis")
FIGURES: Steps[FigureStep] = Steps("figure step")
SECTIONS: Steps[SectionStep] = Steps("report step")


def import_attribute(name: str, what: str = "function") -> Any:
    """What stands at `package.module:attribute`.

    Raises
    ------
    UnknownNameError
        If it cannot be imported; the message says why.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise UnknownNameError(f"{name!r} names no {what}: {problem}") from problem


_discovered: list[str] = []


def _discover() -> None:
    if _discovered:
        return
    _discovered.append(__name__)
    package = importlib.import_module("repscape.studies.steps")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        entry.load()  # a module whose import registers its steps
