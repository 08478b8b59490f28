"""`Executor`: what every engine that runs tasks must do, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from repscape.execution.outcomes import Outcome

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task


@dataclass(frozen=True)
class Ended:
    """A task that an executor no longer runs.

    `outcome` is what the worker said; None if it was lost without a word, and then `reason`
    says what the engine knows about it. `refused` if it never ran and, asked for so, never will.
    """

    key: str
    outcome: Outcome | None
    reason: str = ""
    refused: bool = False


class Executor(Protocol):
    """Runs tasks somewhere.

    It decides neither what runs nor what a result means: the driver (`repscape.execution.run`)
    hands it tasks whose inputs are committed, and looks into the store when they end.
    """

    def open(self, store: Store) -> None:
        """Get ready to run tasks of this store.

        Raises `InvalidParameterError` if the engine is not there or cannot be used so.
        """

    def room(self) -> int:
        """How many more tasks it would take now, at most."""

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Start as many of these tasks as there is room for, and return them."""

    def ended(self, timeout: float) -> Sequence[Ended]:
        """What ended since the last call, waiting up to `timeout` seconds for the first."""

    def close(self) -> None:
        """Stop what still runs, and give back what the engine holds."""
