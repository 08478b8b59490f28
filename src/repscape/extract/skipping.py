"""Extraction that leaves bad samples out, with what came before them kept.

Batches, rows and keys depend on which samples there are. What cannot be read or prepared is found
beforehand (`screening`). Where the network fails at samples, the pass over the data ends there; the
next one, without them, begins with the rows made so far, which are those of the same batches. In a
store each such discovery is an artefact of its own, so a killed run makes none of them twice, and
the same call later begins where all are known.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from repscape.errors import RepscapeError
from repscape.extract.failures import FailingSamplesError
from repscape.extract.loop import Carried, Extraction, Progress
from repscape.extract.screening import unusable_samples
from repscape.extract.setup import Setup
from repscape.representation import Representation
from repscape.tasks import Recipe

if TYPE_CHECKING:
    from repscape.store import Store

FAILURES_KIND = "failures"
FAILURES_VERSION = 1
_MOST_SHOWN = 5

Make: TypeAlias = Callable[[Setup, Carried], Extraction]
Found: TypeAlias = dict[tuple[str, str], Representation]


class SkippedSamplesWarning(UserWarning):
    """Samples were left out of representations that are not in a store, which would list them.

    Attributes
    ----------
    skipped : mapping of id to reason
    """

    def __init__(self, skipped: Mapping[str, str], samples: int) -> None:
        shown = list(skipped.values())[:_MOST_SHOWN]
        more = [f"and {len(skipped) - len(shown)} more"] if len(skipped) > len(shown) else []
        said = "; ".join([*shown, *more])
        super().__init__(f"{len(skipped)} of {samples} samples were left out: {said}")
        self.skipped = dict(skipped)


@dataclass(frozen=True)
class _Failures:
    """Samples at which the network failed, with the reasons, and where they begin."""

    reasons: Mapping[str, str]
    until: Any


def extract_without_bad(
    whole: Setup,
    asked: Mapping[str, Any],
    store: Store | None,
    make: Make,
    progress: Progress | None,
) -> Found:
    """Extract from the samples that can be prepared and that the network takes.

    Parameters
    ----------
    whole : Setup
        With all samples.
    asked : mapping
        What decides which samples fail, beside model and data: layers, poolings, ….
    store : Store, optional
    make : callable
        The extraction of a setup, which begins with what is carried over.
    progress : callable, optional
    """
    skipped = dict(unusable_samples(whole, store))
    setup, carried = whole.without(skipped), Carried()
    while True:
        recipe = _recipe(setup, asked)
        failures = None if store is None else _recorded(store, recipe)
        if failures is None:
            extraction = make(setup, carried)
            try:
                found = extraction.run(progress)
                if store is None and skipped:
                    samples = len(skipped) + (setup.feed.total or 0)
                    warnings.warn(SkippedSamplesWarning(setup.skipped, samples), stacklevel=3)
                return found
            except FailingSamplesError as failing:
                failures = _Failures(_reasons(setup, failing), failing.until)
                carried = Carried(chunks=extraction.in_memory, samples=failing.start)
            if store is not None:
                _record(store, recipe, failures)
        if store is not None:
            carried = Carried({one: setup.pooled(one) for one in asked["poolings"]}, failures.until)
        skipped |= failures.reasons
        setup = whole.without(skipped)


def _recipe(setup: Setup, asked: Mapping[str, Any]) -> Recipe:
    parameters = {**setup.source.trace_recipe.parameters, **asked}
    return Recipe(FAILURES_KIND, FAILURES_VERSION, parameters)


def _recorded(store: Store, recipe: Recipe) -> _Failures | None:
    if not store.has(recipe.key):
        return None
    known = store.manifest(recipe.key).metadata
    return _Failures(known["reasons"], known["until"])


def _record(store: Store, recipe: Recipe, failures: _Failures) -> None:
    count = {"bad_samples": np.asarray([len(failures.reasons)])}
    known = {"reasons": dict(failures.reasons), "until": failures.until}
    store.write_arrays(recipe, count, metadata=known)


def _reasons(setup: Setup, failing: FailingSamplesError) -> dict[str, str]:
    name = setup.source.data
    return {
        str(identity): f"sample {identity!r} of {name}: the network fails at it: {_said(problem)}"
        for identity, problem in failing.problems.items()
    }


def _said(problem: Exception) -> str:
    own = isinstance(problem, RepscapeError)
    return " ".join(str(problem if own else f"{type(problem).__name__}: {problem}").split())
