"""What measures there are: a table of them all, and a card for each."""

from __future__ import annotations

import dataclasses
import inspect
import math
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from repscape.errors import UnknownNameError, did_you_mean
from repscape.measures.base import INVARIANCES, MEASURES, Measure, MeasureSpec, get_measure
from repscape.papers import get_paper
from repscape.registry import format_value
from repscape.transforms import TRANSFORMS

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 92


class NoMeasuresWarning(UserWarning):
    """A study compares no two representations, so the set of its measures is empty."""


@dataclass(frozen=True)
class ParameterCard:
    """One parameter of a measure: what it may be, and what it is in the measure asked for."""

    name: str
    value: str
    default: str
    allowed: str
    description: str
    effective: bool


@dataclass(frozen=True)
class MeasureCard:
    """Everything there is to say about one measure with given parameters.

    Attributes
    ----------
    name : str
        The printable name.
    declared : MeasureSpec
        What holds for these parameters.
    definition : str
        The documentation of the measure.
    parameters : tuple of ParameterCard
        Those without effect, given the others, are marked.
    aliases : tuple of str
        Other names, each with what it stands for: `"nbs: procrustes[score=similarity]"`.
    transforms : tuple of str
        What is done to the values first.
    """

    name: str
    declared: MeasureSpec
    definition: str
    parameters: tuple[ParameterCard, ...]
    aliases: tuple[str, ...]
    transforms: tuple[str, ...]


def measures(family: str | None = None, paper: str | None = None) -> pd.DataFrame:
    """List the measures, or those of one family, or the exact set that a paper used.

    Parameters
    ----------
    family : str, optional
        E.g. `"alignment"`.
    paper : str, optional
        E.g. `"klabunde2023"`; `docs/measures.md` lists them all. A `NoMeasuresWarning` says why
        the set of a study that compares no representations is empty.

    Returns
    -------
    DataFrame
        One row per measure: `measure` (printable name, with its default parameters unless a
        paper chose others), `family`, `kind` (similarity: larger is more alike; distance:
        smaller is), `low`, `high` (the range; infinite where unbounded), `symmetric`,
        `metric`, `invariances` (tuple), `minimum_n`, `chance` (null where unknown), `cost`,
        `citation`, `summary`.

    Raises
    ------
    UnknownNameError
        If there is no such family or paper; the message lists near matches.
    """
    import pandas as pd

    if paper is not None and not get_paper(paper).measures:
        reasons = "; ".join(f"{what}: {why}" for what, why in get_paper(paper).left_out.items())
        warnings.warn(f"{paper} has no measures: {reasons}", NoMeasuresWarning, stacklevel=2)
    return pd.DataFrame.from_records(records(family, paper), columns=list(COLUMNS))


COLUMNS = (
    "measure",
    "family",
    "kind",
    "low",
    "high",
    "symmetric",
    "metric",
    "invariances",
    "minimum_n",
    "chance",
    "cost",
    "citation",
    "summary",
)
"""The columns of the table that `measures` returns."""


def records(family: str | None = None, paper: str | None = None) -> list[dict[str, Any]]:
    """The rows of `measures` as plain values; None where unknown, infinite where unbounded."""
    return [_row(measure) for measure in select(family, paper)]


def select(family: str | None = None, paper: str | None = None) -> list[Measure[Any]]:
    """The measures of a family, of a paper, of both, or all; sorted by family unless a paper's."""
    if paper is not None:
        chosen = [get_measure(name) for name in get_paper(paper).measures]
    else:
        everything = [get_measure(cls()) for cls in MEASURES.classes()]
        chosen = sorted(everything, key=lambda measure: measure.declared.family)
    if family is None:
        return chosen
    wanted = _known_family(family)
    return [measure for measure in chosen if measure.declared.family == wanted]


OUTPUTS = "outputs"
"""The family of measures that compare predictions, and say nothing of other layers."""


def for_representations() -> tuple[list[Measure[Any]], dict[str, str]]:
    """The measures that compare hidden representations, and why the others are left out.

    Whether values are logits cannot be seen from them, so the measures of outputs are run only
    when they are named.
    """
    chosen = [measure for measure in select() if measure.declared.family != OUTPUTS]
    reason = "it compares predictions, not representations: name it if these are logits"
    return chosen, {measure.name: reason for measure in select(OUTPUTS)}


def families() -> list[str]:
    """The families that measures are listed under, sorted."""
    return sorted({cls.spec.family for cls in MEASURES.classes()})


def transforms() -> dict[str, str]:
    """The transforms that may stand in front of a measure, each with what it does."""
    return {cls().step: cls.spec.summary for cls in TRANSFORMS.classes()}


def measure_card(measure: str | Measure[Any]) -> MeasureCard:
    """Collect everything there is to say about a measure.

    Raises `UnknownNameError` or `InvalidParameterError` for a name that cannot be read.
    """
    chosen = get_measure(measure)
    core = chosen.core
    return MeasureCard(
        name=chosen.name,
        declared=chosen.declared,
        definition=inspect.getdoc(type(core)) or chosen.declared.summary,
        parameters=_parameters(core),
        aliases=tuple(
            f"{alias}: {_alias_call(core.spec.name, preset)}"
            for alias, preset in core.spec.aliases.items()
        ),
        transforms=tuple(f"{t.step}: {t.spec.summary}" for t in chosen.transforms),
    )


def describe_measure(measure: str | Measure[Any]) -> str:
    """Say in words what a measure is: formula, parameters, what it declares, pitfalls, BibTeX.

    Parameters
    ----------
    measure : str or Measure
        A printable name or an alias, e.g. `"cka"` or `"cka[kernel=rbf]"`; what is declared is
        what holds for these parameters.

    Raises
    ------
    UnknownNameError, InvalidParameterError
        For a name that cannot be read.
    """
    card = measure_card(measure)
    spec = card.declared
    sections = [
        ("", [f"{card.name}", spec.summary]),
        ("Transforms first", list(card.transforms)),
        ("Definition", card.definition.splitlines()),
        ("Formula", [spec.formula]),
        ("Declared", _facts(spec)),
        ("Parameters", _parameter_lines(card.parameters)),
        ("Also called", list(card.aliases)),
        ("Pitfalls", textwrap.wrap(spec.pitfalls, _WIDTH - 2)),
        ("Source", [spec.citation.short, "", *spec.citation.bibtex.splitlines()]),
    ]
    return "\n\n".join(_section(title, lines) for title, lines in sections if lines)


def format_range(low: float, high: float) -> str:
    """A range for people: `[0, 1.414]`, `(-∞, 1]`."""
    left = "(-∞" if math.isinf(low) else f"[{low:.4g}"
    right = "∞)" if math.isinf(high) else f"{high:.4g}]"
    return f"{left}, {right}"


def _known_family(family: str) -> str:
    known = {name.lower(): name for name in families()}
    if family.lower() not in known:
        hint = did_you_mean(family, known.values())
        raise UnknownNameError(f"no family of measures is called {family!r}: {hint}")
    return known[family.lower()]


def _row(measure: Measure[Any]) -> dict[str, Any]:
    spec = measure.declared
    return {
        "measure": measure.name,
        "family": spec.family,
        "kind": spec.kind,
        "low": spec.range[0],
        "high": spec.range[1],
        "symmetric": spec.symmetric,
        "metric": spec.metric,
        "invariances": ordered_invariances(spec),
        "minimum_n": spec.minimum_n,
        "chance": spec.chance,
        "cost": spec.cost,
        "citation": spec.citation.short,
        "summary": spec.summary,
    }


def ordered_invariances(spec: MeasureSpec) -> tuple[str, ...]:
    """The declared invariances, always in the same order."""
    return tuple(name for name in INVARIANCES if name in spec.invariances)


def _parameters(core: Measure[Any]) -> tuple[ParameterCard, ...]:
    hints = get_type_hints(type(core))
    without_effect = core.irrelevant()
    return tuple(
        ParameterCard(
            name=field.name,
            value=format_value(getattr(core, field.name)),
            default=format_value(field.default),
            allowed=_allowed(hints[field.name], field.metadata),
            description=field.metadata["description"],
            effective=field.name not in without_effect,
        )
        for field in dataclasses.fields(core)  # type: ignore[arg-type]
    )


def _allowed(kind: Any, limits: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(get_args(kind))
    if kind is bool:
        return "true, false"
    if kind not in (int, float):
        return inspect.cleandoc(kind.__doc__ or kind.__name__).splitlines()[0].rstrip(".")
    number = "a whole number" if kind is int else "a number"
    low, high = limits.get("minimum"), limits.get("maximum")
    if low is not None and high is not None:
        return f"{number} between {low} and {high}"
    if low is not None:
        return f"{number}, at least {low}"
    return number if high is None else f"{number}, at most {high}"


def _alias_call(name: str, preset: Any) -> str:
    arguments = ",".join(f"{key}={format_value(value)}" for key, value in preset.items())
    return f"{name}[{arguments}]" if arguments else name


def _facts(spec: MeasureSpec) -> list[str]:
    better = "larger is more alike" if spec.kind == "similarity" else "smaller is more alike"
    facts = {
        "family": spec.family,
        "kind": f"{spec.kind}: {better}",
        "range": format_range(*spec.range),
        "symmetric": "yes" if spec.symmetric else "no: compare(a, b) differs from compare(b, a)",
        "metric": "yes: the triangle inequality holds" if spec.metric else "no",
        "invariant to": ", ".join(ordered_invariances(spec)) or "nothing",
        "samples": f"at least {spec.minimum_n}",
        "by chance": spec.chance or "not known in closed form",
        "cost": spec.cost,
    }
    return [f"{name:<13}{fact}" for name, fact in facts.items()]


def _parameter_lines(parameters: tuple[ParameterCard, ...]) -> list[str]:
    lines: list[str] = []
    for parameter in parameters:
        lines += textwrap.wrap(f"{parameter.name}: {parameter.description}", _WIDTH - 2)
        given = "" if parameter.value == parameter.default else f"here {parameter.value}; "
        note = "" if parameter.effective else "  (no effect here)"
        lines.append(f"    {given}default {parameter.default}; allowed: {parameter.allowed}{note}")
    return lines


def _section(title: str, lines: list[str]) -> str:
    if not title:
        return "\n".join(lines)
    return "\n".join([title, *(f"  {line}".rstrip() for line in lines)])
