"""Hand-made and synthetic tidy tables for the tests of analysis, plots and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

SIMILARITY = "cka[kernel=linear,debiased=true]@1"
DISTANCE = "procrustes[statistic=angle]@1"
CHANCE = 0.6

LAYERS = {
    "conv": ["stem", "stages.0", "stages.1", "stages.2", "head"],
    "mlp": ["hidden.0", "hidden.1", "hidden.2", "hidden.3"],
    "vit": ["embed", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "norm"],
}


def row(a: Any, b: Any, value: float | None, **columns: Any) -> dict[str, Any]:
    """One row of a tidy table of layers; `a` and `b` are ``"model/layer"``."""
    (model_a, layer_a), (model_b, layer_b) = (str(name).split("/") for name in (a, b))
    missing = value is None
    return {
        "data": "digits",
        "split": "test",
        "sample_digest": "0" * 16,
        "rep_a": a,
        "rep_b": b,
        "model_a": model_a,
        "model_b": model_b,
        "layer_a": layer_a,
        "layer_b": layer_b,
        "measure": SIMILARITY,
        "kind": "similarity",
        "n": 100,
        "value": float("nan") if missing else value,
        "reason": "constant features" if missing else None,
    } | columns


def models_table(
    tags: dict[str, dict[str, Any]],
    value: Callable[[str, str], float | None],
    **columns: Any,
) -> pd.DataFrame:
    """One row per unordered pair of distinct models with their tags."""
    names = list(tags)
    rows = []
    for index, a in enumerate(names):
        for b in names[index + 1 :]:
            sides = {f"{t}_a": tags[a][t] for t in tags[a]} | {
                f"{t}_b": tags[b][t] for t in tags[b]
            }
            rows.append(row(f"{a}/last", f"{b}/last", value(a, b), **sides, **columns))
    return pd.DataFrame(rows)


def design(
    architectures: Sequence[str] = ("conv", "mlp", "vit"),
    objectives: Sequence[str] = ("supervised", "simclr"),
    seeds: Sequence[int] = (0, 1),
) -> dict[str, dict[str, Any]]:
    """Twelve models in a full design, by name."""
    return {
        f"{architecture}-{objective}-s{seed}": {
            "objective": objective,
            "architecture": architecture,
            "seed": seed,
        }
        for architecture in architectures
        for objective in objectives
        for seed in seeds
    }


def synthetic(seed: int = 0, deep: int = 0) -> pd.DataFrame:
    """All layers of twelve models under a similarity and a distance, with a few missing scores.

    Layers at the same depth are more alike, and so are those that share objective and
    architecture. ``deep`` gives every architecture that many layers instead.
    """
    return _synthetic(seed, deep).copy()


@cache
def _synthetic(seed: int, deep: int) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    layers = {
        name: [f"blocks.{i}" for i in range(deep)] if deep else found
        for name, found in LAYERS.items()
    }
    representations = [
        (model, layer, depth / (len(layers[tags["architecture"]]) - 1), tags)
        for model, tags in design().items()
        for depth, layer in enumerate(layers[tags["architecture"]])
    ]
    rows = []
    for left, right in combinations_with_replacement(representations, 2):
        value = _likeness(left, right, generator)
        sides = {f"{t}_a": v for t, v in left[3].items()} | {
            f"{t}_b": v for t, v in right[3].items()
        }
        names = (f"{left[0]}/{left[1]}", f"{right[0]}/{right[1]}")
        absent = left[:2] == ("mlp-simclr-s1", "hidden.0") and right[3]["architecture"] == "vit"
        for measure, kind, number in (
            (SIMILARITY, "similarity", value),
            (DISTANCE, "distance", float(np.arccos(value))),
        ):
            score = None if absent and kind == "similarity" else number
            rows.append(row(*names, score, measure=measure, kind=kind, **sides))
    return pd.DataFrame(rows).sort_values("measure", kind="stable").reset_index(drop=True)


def _likeness(left: Any, right: Any, generator: np.random.Generator) -> float:
    if left[:2] == right[:2]:
        return 1.0
    depth = (left[2] + right[2]) / 2
    likeness = 0.97 * float(np.exp(-2.2 * abs(left[2] - right[2])))
    likeness *= 1 - 0.35 * depth * (left[3]["objective"] != right[3]["objective"])
    likeness *= 1 - 0.45 * (1 - 0.6 * depth) * (left[3]["architecture"] != right[3]["architecture"])
    likeness *= 1 - 0.08 * depth * (left[3]["seed"] != right[3]["seed"])
    return float(np.clip(likeness + generator.normal(0, 0.015), 0.01, 0.99))


def with_null(table: pd.DataFrame) -> pd.DataFrame:
    """The table as if asked for a null: scores near the least alike are no more than chance."""
    alike = table["value"].where(table["kind"] == "similarity", np.cos(table["value"]))
    effect = (alike - CHANCE) / (1.0 - CHANCE)
    p = np.where(effect > 0.0, 0.01, 0.6)
    return table.assign(
        null_mean=np.where(table["kind"] == "similarity", CHANCE, float(np.arccos(CHANCE))),
        effect=effect,
        p_value=np.where(alike.isna(), np.nan, p),
        n_permutations=99,
        null_reason=None,
    )
