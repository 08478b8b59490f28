"""Where scores have a null: how many of them can be told from chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pydantic import Field

from repscape.analysis.chance import chance_summary, has_null
from repscape.studies.steps.base import ANALYSES, Analysis, Options


class ChanceOptions(Options):
    """When a score counts as more than chance."""

    level: float = Field(default=0.05, gt=0, lt=1, description="false discovery rate")


def chance(
    tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """One row per data set, split and measure that has a null."""
    scores = tables["scores"]
    if not has_null(scores):
        return {}
    tested = scores.loc[scores["p_value"].notna(), "measure"].unique()
    return {"chance": chance_summary(scores[scores["measure"].isin(tested)], options["level"])}


ANALYSES.register(
    Analysis(
        name="chance",
        summary="how many scores of each measure are more than chance",
        version=2,
        run=f"{__name__}:chance",
        needs=("scores",),
        options=ChanceOptions,
    )
)
