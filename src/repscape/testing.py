"""`check_measure`: does a measure do what it declares? For Repscape's own and anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from repscape.conformance import arithmetic, declared, hostile, many
from repscape.conformance.descriptors import DescriptorReport as DescriptorReport
from repscape.conformance.descriptors import check_descriptor as check_descriptor
from repscape.conformance.subject import Check, Formula, MakeInput, Subject
from repscape.errors import ConformanceError, RepscapeError
from repscape.measures.base import INVARIANCES, Measure, get_measure


@dataclass(frozen=True)
class Failure:
    """One thing that a measure does not do: the name of the check and what came out."""

    check: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


@dataclass(frozen=True)
class ConformanceReport:
    """The checks that were made of one measure, by name, and the failures among them."""

    measure: str
    checks: tuple[str, ...]
    failures: tuple[Failure, ...]


def check_measure(
    measure: str | Measure[Any],
    make_input: MakeInput | None = None,
    seed: int = 0,
    *,
    formula: Formula | None = None,
) -> ConformanceReport:
    """Hold a measure to its declaration, on small random representations.

    Checked are identity, symmetry, range, the triangle inequality of metrics, every declared
    invariance, and that every undeclared one fails; that rows are matched, and their joint order
    does not matter; precision (float32, float16, bfloat16, an offset of 300); that all pairs at
    once equal the pairs one by one, in any tiles and batches that the memory limit asks for, and
    states that are permuted or restricted equal those prepared anew; that neither inputs nor the
    global random state change; what becomes of constant, duplicated, rank-deficient, too few,
    zero, very large and very small values: a finite number within the range, or a typed error;
    and that an independent formula, if one is given, agrees.

    Parameters
    ----------
    measure : str or Measure
        A printable name, or an instance of your own class; it need not be registered.
    make_input : callable (generator, n) -> (n, d) array, optional
        Makes the values of one representation, for measures that do not take any features (a
        precomputed Gram matrix, probabilities). Features are then not transformed: the checks
        of invariances and of hostile features are left out.
    seed : int
        Of the inputs.
    formula : callable (x, y) -> float, optional
        Another way to the number, from float64 arrays, that shares no code with the measure.

    Returns
    -------
    ConformanceReport
        The names of the checks, when all hold.

    Raises
    ------
    ConformanceError
        Lists every failure, not the first.
    """
    chosen = get_measure(measure)
    try:
        subject = Subject(chosen, make_input, seed)
    except RepscapeError as problem:
        raise ConformanceError(f"{chosen.name} has no score for random input: {problem}") from None
    except Exception as problem:  # a third party's measure may raise anything; its kind helps
        raise ConformanceError(
            f"{chosen.name} has no score for random input: {type(problem).__name__}: {problem}"
        ) from problem
    checks: list[str] = []
    failures: list[Failure] = []
    for name, check in _checks(subject, formula):
        checks.append(name)
        try:
            failures += [Failure(name, detail) for detail in check(subject)]
        except Exception as problem:  # so may it here, and it is listed among the failures
            failures.append(Failure(name, f"{type(problem).__name__}: {problem}"))
    report = ConformanceReport(chosen.name, tuple(checks), tuple(failures))
    if failures:
        listed = "\n".join(f"  - {failure}" for failure in failures)
        raise ConformanceError(
            f"{report.measure} fails {len({failure.check for failure in failures})} of "
            f"{len(checks)} checks:\n{listed}"
        )
    return report


def _checks(s: Subject, formula: Formula | None) -> Iterator[tuple[str, Check]]:
    yield "declaration", declared.declaration
    yield "identity", declared.identity
    yield "symmetry", declared.symmetry
    yield "range", declared.score_range
    if s.spec.metric:
        yield "triangle inequality", declared.triangle
    yield "row order", declared.row_order
    yield "precision", arithmetic.precision
    yield "purity", arithmetic.purity
    if formula is not None:
        yield "formula", partial(arithmetic.formula, formula=formula)
    yield "all pairs", many.all_pairs
    yield "batches and tiles", many.batches
    yield "permuted states", many.permuted_states
    yield "subsets of states", many.subsets_of_states
    yield "too few samples", hostile.too_few
    yield "not finite", hostile.not_finite
    if s.given is not None:
        return
    yield "half precision", arithmetic.half_precision
    for name in INVARIANCES:
        yield f"invariance {name}", partial(declared.invariance, name=name)
    yield "offset", arithmetic.offset
    yield "hostile input", hostile.hostile
    if s.spec.family == "neighbours":
        yield "self among duplicates", hostile.self_among_duplicates
