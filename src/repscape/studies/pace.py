"""How long tasks of a kind took before, against what their operations let expect.

What tasks took is kept beside the artefacts (`_seconds/`), so an estimate for a store in which
something was computed already rests on that, and only the first one on assumed rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from repscape.execution.ledger import read_seconds

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task

Kind: TypeAlias = "tuple[str, ...]"
_ENOUGH = 100
"""Tasks of a kind that are looked at."""


@dataclass
class _Sums:
    took: float = 0.0
    said: float = 0.0
    tasks: int = 0


@dataclass(frozen=True)
class Paces:
    """By kind of task, what such tasks took and what was said of them."""

    _sums: Mapping[Kind, _Sums] = field(default_factory=dict)

    def of(self, task: Task) -> float:
        """What to multiply an estimate by: of the same step and measure, else of the stage."""
        found = next((self._sums[kind] for kind in _kinds(task) if kind in self._sums), None)
        return 1.0 if found is None else found.took / found.said

    def tasks(self, stage: str) -> int:
        """How many tasks of a stage tell how long such tasks take."""
        return self._sums[stage,].tasks if (stage,) in self._sums else 0


def paces_of(done: Sequence[tuple[Task, float | None]], store: Store) -> Paces:
    """The paces of tasks that are done, from what was said of each and what it took."""
    chosen: dict[Kind, list[tuple[Task, float]]] = {}
    for task, said in done:
        some = chosen.setdefault(_kinds(task)[0], [])
        if said and len(some) < _ENOUGH:
            some.append((task, said))
    took = read_seconds(store, [task.key for some in chosen.values() for task, _ in some])
    sums: dict[Kind, _Sums] = {}
    for task, said in (one for some in chosen.values() for one in some):
        if task.key not in took:
            continue
        for kind in _kinds(task):
            total = sums.setdefault(kind, _Sums())
            total.took += took[task.key]
            total.said += said
            total.tasks += 1
    return Paces(sums)


def _kinds(task: Task) -> tuple[Kind, ...]:
    """Of a task: the step with what it measures, and its stage."""
    known = task.recipe.parameters
    what = next((str(known[name]) for name in ("measure", "descriptor") if name in known), "")
    return (task.stage, task.run, what), (task.stage,)
