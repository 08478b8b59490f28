"""Options of commands that say what a score means, and what they print of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from repscape.cli.output import finite_or_none, note
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import pandas as pd


class NullName(StrEnum):
    """What chance is."""

    permutation = "permutation"


class IntervalName(StrEnum):
    """How an interval over samples is found."""

    jackknife = "jackknife"
    subsampling = "subsampling"


Null: TypeAlias = Annotated[
    NullName | None,
    typer.Option(help="Say what chance gives, with p and effect: samples are paired at random."),
]
PermutationCount: TypeAlias = Annotated[
    int | None,
    typer.Option("--permutations", metavar="N", help="How many random pairings, 200 if not given."),
]
Groups: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Pair samples at random within groups only (or: labels)."),
]
Blocks: TypeAlias = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Move whole blocks of samples at random.")
]
IntervalMethod: TypeAlias = Annotated[
    IntervalName | None, typer.Option("--interval", help="Add a 95% interval over samples.")
]


def how_many(permutations: int | None) -> int:
    """The permutations to draw; a number that was given stays, 0 to be refused."""
    from repscape.significance.asked import PERMUTATIONS

    return PERMUTATIONS if permutations is None else permutations


@dataclass(frozen=True)
class Meaning:
    """What was asked beside the score."""

    null: str | None
    permutations: int | None
    groups: str | None
    blocks: str | None
    interval: str | None

    def __post_init__(self) -> None:
        given = (self.permutations, self.groups, self.blocks)
        if self.null is None and any(value is not None for value in given):
            raise InvalidParameterError(
                "--permutations, --groups and --blocks are about chance: give --null permutation"
            )

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `repscape.similarity_matrix`."""
        return {
            "null": self.null,
            "n_permutations": how_many(self.permutations),
            "groups": self.groups,
            "blocks": self.blocks,
            "interval": self.interval,
        }

    def stated(self, row: pd.Series[Any]) -> dict[str, Any]:
        """The columns of a row of scores that were asked for, as JSON can say them."""
        from repscape.tables import INTERVAL_COLUMNS, NULL_COLUMNS

        asked = [*(NULL_COLUMNS if self.null else ()), *(INTERVAL_COLUMNS if self.interval else ())]
        return {name: _plain(row[name]) for name in asked}

    @property
    def columns(self) -> tuple[str, ...]:
        """What a table for people shows beside the value."""
        chance = ("chance", "p", "effect") if self.null else ()
        return (*chance, "95% interval") if self.interval else chance

    def cells(self, score: Mapping[str, Any]) -> list[str]:
        """Those columns of one score."""
        shown = []
        if self.null:
            names = (("null_mean", ".4g"), ("p_value", ".3g"), ("effect", ".3g"))
            shown = [_cell(score[name], form) for name, form in names]
        if self.interval:
            ends = [_cell(score[f"interval_{end}"], ".4g") for end in ("low", "high")]
            shown.append(" … ".join(ends) if "-" not in ends else "-")
        return shown

    def explain(self, scores: Sequence[Mapping[str, Any]]) -> None:
        """Say on standard error why something is missing, and what p cannot be below."""
        reasons: dict[str, list[str]] = {}
        for name in ("null_reason", "interval_reason"):
            for score in scores:
                if score.get(name) is not None and score["value"] is not None:
                    what = "interval" if name == "interval_reason" else "effect"
                    what = "null" if what == "effect" and score["p_value"] is None else what
                    there = what == "interval" and score["interval_low"] is not None
                    said = score[name] if there else f"no {what} ({score[name]})"
                    reasons.setdefault(said, []).append(score["measure"])
        for reason, names in reasons.items():
            note(f"{', '.join(dict.fromkeys(names))}: {reason}")
        counts = [score.get("n_permutations") for score in scores]
        known = [int(count) for count in counts if count is not None]
        if known:
            note(
                f"chance: {min(known)} random pairings, so no p is below {1 / (min(known) + 1):.2g}"
            )


def _plain(value: Any) -> Any:
    import pandas as pd

    if value is None or pd.isna(value):
        return None
    if isinstance(value, str):
        return value
    number = float(value)
    return int(number) if number.is_integer() and number > 1 else finite_or_none(number)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
