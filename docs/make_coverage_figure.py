"""Draw docs/images/interval_coverage.svg: what intervals over pairs of models miss.

Synthetic populations of models with a known consistency: the score of models i and j is
a_i + a_j + noise on one data set and b_i + b_j + noise on the other, with corr(a, b) = 0.5, so
that the correlation over pairs is 2 · 0.5 / (2 + 0.5²) in the population. Run:
python docs/make_coverage_figure.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repscape.analysis.model_resampling import Consistency, model_bootstrap

SHARED, NOISE, POPULATIONS = 0.5, 0.5, 400
TRUTH = 2 * SHARED / (2 + NOISE**2)
MODELS = (6, 8, 12, 16, 24, 36)
TARGET = Path(__file__).parent / "images" / "interval_coverage.svg"


def population(rng: np.random.Generator, models: int) -> list[np.ndarray]:
    """The scores of all pairs of models on two data sets."""
    first = rng.standard_normal(models)
    second = SHARED * first + np.sqrt(1 - SHARED**2) * rng.standard_normal(models)
    found = []
    for effect in (first, second):
        noise = NOISE * rng.standard_normal((models, models))
        found.append(effect[:, None] + effect + (noise + noise.T) / np.sqrt(2))
    return found


def coverage(models: int) -> tuple[float, float]:
    """How often the bootstrap over models and the interval over pairs hold the truth."""
    rng = np.random.default_rng(models)
    ours = naive = 0
    for seed in range(POPULATIONS):
        matrices = population(rng, models)
        found = model_bootstrap(matrices, Consistency(), resamples=200, seed=seed)
        ours += found.low <= TRUTH <= found.high
        reach = 1.96 / np.sqrt(models * (models - 1) / 2 - 3)
        naive += abs(np.arctanh(found.value) - np.arctanh(TRUTH)) <= reach
    return ours / POPULATIONS, naive / POPULATIONS


def main() -> None:
    """Simulate, draw and print."""
    found = np.array([coverage(models) for models in MODELS])
    figure = Figure(figsize=(5.5, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0.95, color="0.6", linewidth=1, linestyle="--")
    axes.plot(MODELS, found[:, 0], "o-", color="#0072b2", label="bootstrap over models")
    axes.plot(MODELS, found[:, 1], "s-", color="#d55e00", label="as if pairs were independent")
    axes.set(xlabel="models", ylabel="coverage of 95 % intervals", ylim=(0, 1), xticks=MODELS)
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    TARGET.parent.mkdir(exist_ok=True)
    with rc_context({"svg.hashsalt": "repscape"}):
        figure.savefig(TARGET, metadata={"Date": None})
    for models, (ours, naive) in zip(MODELS, found, strict=True):
        print(f"{models} models: bootstrap {ours:.3f}, pairs {naive:.3f}")


if __name__ == "__main__":
    main()
