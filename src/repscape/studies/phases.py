"""The three phases of a study: representations, numbers, tables.

The tasks of a later phase are made for what the earlier one has left: a model that failed does
not keep the others from being compared, and a later run adds what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from repscape.studies.resolve import Unresolved
from repscape.studies.study import Data, Model
from repscape.tasks import Task


@dataclass(frozen=True)
class Extraction:
    """One model on one data set, and the task that makes its representations."""

    model: Model
    data: Data
    split: str | None
    samples: int | None
    revision: str
    task: Task


@dataclass(frozen=True)
class Beginning:
    """The first phase: models, their evaluations, and extractions; and what is not at hand."""

    extractions: tuple[Extraction, ...]
    trainings: Mapping[str, Task]
    evaluations: Mapping[str, Task]
    revisions: Mapping[str, str]
    unresolved: tuple[Unresolved, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase, each once."""
        every = [*self.trainings.values(), *self.evaluations.values()]
        every += [extraction.task for extraction in self.extractions]
        return tuple({task.key: task for task in every}.values())


@dataclass(frozen=True)
class Group:
    """Tasks of one data set, pooling and measure (or descriptor): parts of one table.

    `before` are those that only some of the parts need: the groups of a divided sweep.
    """

    what: str
    name: str
    data: Data
    split: str | None
    pooling: str
    extractions: tuple[Extraction, ...]
    parts: tuple[Task, ...]
    before: tuple[Task, ...] = ()

    def to_dict(self, several_poolings: bool) -> dict[str, Any]:
        """What a task that merges tables is told."""
        return {
            "measure": self.name,
            "data": self.data.name,
            "split": self.split,
            "pooling": self.pooling,
            "several_poolings": several_poolings,
            "parts": [task.key for task in self.parts],
        }


@dataclass(frozen=True)
class Middle:
    """The second phase: scores and descriptions."""

    groups: tuple[Group, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase, each once."""
        every = [task for group in self.groups for task in (*group.before, *group.parts)]
        return tuple({task.key: task for task in every}.values())


@dataclass(frozen=True)
class End:
    """The third phase: the study's tables by name, and those of its analyses."""

    tables: Mapping[str, Task] = field(default_factory=dict)
    analyses: Mapping[str, Task] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase."""
        return (*self.tables.values(), *self.analyses.values())
