"""What the operations of families leave out: sorting, selecting, what a null prepares anew.

The numbers were fitted in November 2026 to the processor time of single tasks on one thread
(`benchmarks/rates.py`: 449 to 3,000 samples, 64 to 512 features, 3 to 6 layers), given as
operations at the rate that `repscape plan` assumes. They only estimate time: which nulls are
within a budget, and which sweeps are divided, follows from `repscape.studies.estimate` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from repscape.geometry.base import Descriptor
from repscape.measures.base import Measure

_NEIGHBOURS = "neighbours"
_RANKED = ("rsa",)
_SPECTRA = (
    *("participation_ratio", "effective_rank", "eigenspectrum", "power_law"),
    "variance_dimension",
)


def beyond_a_sweep(measure: Measure[Any], n: int, widths: Sequence[int], pairs: int) -> float:
    """What the scores of these pairs take beside the operations of the family."""
    name, layers, r = measure.core.declared.name, len(widths), min(n, max(widths))
    if name == "cknna":
        return 6e5 * n * layers
    if measure.declared.family == _NEIGHBOURS:
        k = float(getattr(measure.core, "k", 10))
        # half of the products: they run at three times the assumed rate
        return (2e5 + 1.1e4 * k) * n * layers - float(n) ** 2 * sum(widths)
    if name in _RANKED and "compare_by=kendall" in measure.name:
        return 2000.0 * n**2 * pairs
    if name in _RANKED and "compare_by=spearman" in measure.name:
        return 1600.0 * n**2 * layers
    return 45.0 * float(r) ** 3 * pairs if name.startswith("pwcca") else 0.0


def pace_of_null(measure: Measure[Any]) -> float:
    """How many times its operations a permutation takes."""
    name = measure.core.declared.name
    if name in _NULLS:
        return _NULLS[name]
    if measure.declared.family == "Gram and RDM":
        return 5.0 if "compare_by=kendall" in measure.name else 9.0
    return 0.4 if measure.declared.family == _NEIGHBOURS else 1.3


def of_descriptor(descriptor: Descriptor, n: int, d: int) -> float:
    """What the profile of one layer of n samples and d features takes."""
    name = descriptor.spec.name
    operations = 700.0 * n * d  # equal samples are looked for in all of them
    if name in _SPECTRA:
        r = float(min(n, d))
        return operations + 2.0 * n * d * r + 10.0 * r**3
    if descriptor.neighbour_metric is None and name not in _DESCRIPTORS:
        return operations
    return operations + float(n) ** 2 * d + _DESCRIPTORS.get(name, _table)(n, d)


def _table(n: int, d: int) -> float:
    """The table of neighbours, and what most descriptors make of it."""
    del d
    return 8e5 * n


_DESCRIPTORS: dict[str, Callable[[int, int], float]] = {
    "gride": lambda n, d: 1.6e6 * n,
    "correlation_integral": lambda n, d: 1e3 * float(n) ** 2,
    "local_pca": lambda n, d: (3e6 + 2.4e4 * d) * n,
    "twonn_blocks": lambda n, d: 1.5e4 * float(n) ** 2,
    "twonn_scaling": lambda n, d: 1e6 * n + 3.0 * float(n) ** 2 * d,
}
_NULLS = {
    "mutual_knn": 6.0,
    "cknna": 1.8,
    "information_imbalance": 1.8,
    "second_order_cosine": 0.9,
    "hard_correlation_match": 0.3,
    "soft_correlation_match": 0.2,
    "soft_matching": 0.25,
    "permutation_procrustes": 0.4,
    "linear_regression": 0.4,
    "svcca_components": 0.25,
}
