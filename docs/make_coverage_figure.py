"""Draw docs/images/interval_coverage.svg: what intervals over pairs of models miss.

Two synthetic populations of models whose consistency (the correlation over pairs of models
between the scores on two data sets) is known:

additive
    The score of models i and j is a_i + a_j + noise on one data set and b_i + b_j + noise on the
    other, with corr(a, b) = 0.5: the correlation over pairs is 2 · 0.5 / (2 + 0.5²). The interval
    was chosen among nine on this one.
latent
    Every model is a point, normal in three dimensions on one data set and the same point moved on
    the other; the score of two models is exp(-‖z_i - z_j‖) plus noise. The interval has not seen
    this one before. Its correlation over pairs is that of 4,000 models.

Run: python docs/make_coverage_figure.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repscape.analysis.model_resampling import Consistency, model_bootstrap

SHARED, NOISE, POPULATIONS = 0.5, 0.5, 400
MOVED, LATENT_NOISE = 0.7, 0.1
MODELS = (6, 8, 12, 16, 24, 36)
TARGET = Path(__file__).parent / "images" / "interval_coverage.svg"

Population = Callable[[np.random.Generator, int], list[np.ndarray]]


def additive(rng: np.random.Generator, models: int) -> list[np.ndarray]:
    """The scores of all pairs of models on two data sets."""
    first = rng.standard_normal(models)
    second = SHARED * first + np.sqrt(1 - SHARED**2) * rng.standard_normal(models)
    return [a[:, None] + a + NOISE * symmetric_noise(rng, models) for a in (first, second)]


def latent(rng: np.random.Generator, models: int) -> list[np.ndarray]:
    """The scores of all pairs of models on two data sets."""
    points = rng.standard_normal((models, 3))
    moved = points + MOVED * rng.standard_normal((models, 3))
    return [
        np.exp(-np.linalg.norm(z[:, None] - z, axis=2))
        + LATENT_NOISE * symmetric_noise(rng, models)
        for z in (points, moved)
    ]


def symmetric_noise(rng: np.random.Generator, models: int) -> np.ndarray:
    """Independent standard normal noise of every pair."""
    noise = rng.standard_normal((models, models))
    return (noise + noise.T) / np.sqrt(2)


def latent_truth() -> float:
    """The correlation over pairs of very many models."""
    first, second = latent(np.random.default_rng(2026), 4000)
    above = np.triu_indices(4000, 1)
    return float(np.corrcoef(first[above], second[above])[0, 1])


def coverage(population: Population, truth: float, models: int, seed: int) -> tuple[float, float]:
    """How often the bootstrap over models and the interval over pairs hold the truth."""
    rng = np.random.default_rng([seed, models])
    ours = naive = 0
    for draw in range(POPULATIONS):
        matrices = population(rng, models)
        found = model_bootstrap(matrices, Consistency(), resamples=200, seed=draw)
        ours += found.low <= truth <= found.high
        reach = 1.96 / np.sqrt(models * (models - 1) / 2 - 3)
        naive += abs(np.arctanh(found.value) - np.arctanh(truth)) <= reach
    return ours / POPULATIONS, naive / POPULATIONS


def main() -> None:
    """Simulate, draw and print."""
    panels = [
        ("population that the interval was chosen on", additive, 2 * SHARED / (2 + NOISE**2), 1),
        ("another population", latent, latent_truth(), 7),
    ]
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for axes, (title, population, truth, seed) in zip(
        figure.subplots(1, 2, sharey=True), panels, strict=True
    ):
        found = np.array([coverage(population, truth, models, seed) for models in MODELS])
        axes.axhline(0.95, color="0.6", linewidth=1, linestyle="--")
        axes.plot(MODELS, found[:, 0], "o-", color="#0072b2", label="bootstrap over models")
        axes.plot(MODELS, found[:, 1], "s-", color="#d55e00", label="as if pairs were independent")
        axes.set(xlabel="models", ylim=(0, 1.03), xticks=MODELS)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        print(f"{title} (correlation {truth:.3f})")
        for models, (ours, naive) in zip(MODELS, found, strict=True):
            print(f"  {models} models: bootstrap {ours:.3f}, pairs {naive:.3f}")
    figure.axes[0].set_ylabel("coverage of 95 % intervals")
    figure.axes[0].legend(frameon=False, loc="lower left")
    TARGET.parent.mkdir(exist_ok=True)
    with rc_context({"svg.hashsalt": "repscape"}):
        figure.savefig(TARGET, metadata={"Date": None})


if __name__ == "__main__":
    main()
