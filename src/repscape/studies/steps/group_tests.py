"""Do groups of models differ? Every factor tested by handing its values to other models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pandas as pd
from pydantic import Field

from repscape.analysis.group_tests import group_tests
from repscape.analysis.model_scores import Rule, model_scores
from repscape.studies.steps.base import ANALYSES, Analysis
from repscape.studies.steps.similarity import SimilarityOptions, by_symmetry


class GroupTestOptions(SimilarityOptions):
    """Which tags are tested, and how often they are handed out anew."""

    factors: tuple[str, ...] | None = Field(
        default=None, description="tags; by default all that group the models"
    )
    permutations: int = Field(default=999, ge=1, description="how many")
    seed: int = Field(default=0, ge=0, description="of the permutations")


def run(tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """One row per measure and factor; no table where no tag groups the models."""
    pieces = []
    for symmetric, part in by_symmetry(tables["scores"]):
        if part[["model_a", "model_b"]].stack().nunique() < 2:
            continue
        scores = model_scores(part, cast(Rule, options["rule"]), symmetric=symmetric)
        tests = group_tests(
            scores,
            options["factors"],
            symmetric=symmetric,
            n_permutations=options["permutations"],
            seed=options["seed"],
        )
        if len(tests):
            pieces.append(tests)
    return {"group_tests": pd.concat(pieces, ignore_index=True)} if pieces else {}


ANALYSES.register(
    Analysis(
        name="group_tests",
        summary="are models that share a tag more alike? A permutation test of models",
        version=1,
        run=f"{__name__}:run",
        needs=("scores",),
        options=GroupTestOptions,
    )
)
