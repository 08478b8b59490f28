"""Write `docs/measures.md` from what the measures declare.

Run: python docs/make_measures_page.py
A test holds the committed page to what this gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from repscape.catalogue import (
    MeasureCard,
    ParameterCard,
    families,
    format_range,
    measure_card,
    ordered_invariances,
    select,
    transforms,
)
from repscape.papers import PAPERS, Paper

PAGE = Path(__file__).parent / "measures.md"

HEAD = """\
# Measures

<!-- Written by docs/make_measures_page.py from the declarations: change those, not this page. -->

The same as `repscape measures` and `repscape measures NAME` print. Names are shown with their
default parameters; the invariances and ranges are those of the defaults, and a name with other
parameters may declare others.

- **kind**: of a similarity (↑), larger is more alike; of a distance (↓), smaller is.
- **same**: what may be done to the features of either side without changing the score: orthogonal
  maps (O), permutations (P), scaling all features alike (S), translation (T), invertible linear
  maps (L).
- **n**: the fewest samples for which the measure is defined.
- **cost**: operations for one pair. All pairs of many representations cost far less than the sum:
  what depends on one side is done once.
"""
PAPERS_HEAD = """\
The exact sets that published studies used, so that a table can be redone by naming it:
`repscape measures --paper klabunde2023`, in Python `repscape.measures(paper="klabunde2023")`, whose
column `measure` is what `repscape.similarity_matrix` takes. What a study's code does to the values
first stands as a transform in the name.
"""
COLUMNS = (
    "measure",
    "kind",
    "range",
    "same",
    "symmetric",
    "metric",
    "n",
    "by chance",
    "cost",
    "source",
)
LETTERS = {
    "orthogonal": "O",
    "permutation": "P",
    "isotropic_scaling": "S",
    "translation": "T",
    "invertible_linear": "L",
}


def page() -> str:
    """The whole page."""
    cards = [measure_card(measure) for measure in select()]
    parts = [HEAD]
    for family in families():
        members = [card for card in cards if card.declared.family == family]
        parts.append(f"## {_capital(family)}\n")
        parts.append(_table(COLUMNS, [_cells(card) for card in members]))
        parts += [_section(card) for card in members]
    parts.append("## Transforms\n")
    parts.append(
        "Put in front of a measure with a bar, `center|unit_rows|mutual_knn`; what is done to the "
        "values is part of the name.\n"
    )
    parts.append(
        _table(("transform", "what it does"), [[f"`{t}`", s] for t, s in transforms().items()])
    )
    parts += ["## Papers\n", PAPERS_HEAD]
    parts += [_paper(name, paper) for name, paper in PAPERS.items()]
    return "\n".join(parts)


def _paper(name: str, paper: Paper) -> str:
    lines = [f"### {name}", "", f"*{paper.title}* ({paper.source})."]
    lines += [f"{paper.notes}"] if paper.notes else []
    lines += ["", *(f"- `{measure}`" for measure in paper.measures)]
    lines += [f"- left out: {what}: {why}" for what, why in paper.left_out.items()]
    return "\n".join([*lines, ""])


def _cells(card: MeasureCard) -> list[str]:
    spec = card.declared
    anchor = spec.name.lower()
    return [
        f"[`{card.name}`](#{anchor})",
        "↑" if spec.kind == "similarity" else "↓",
        format_range(*spec.range),
        "".join(LETTERS[name] for name in ordered_invariances(spec)) or "–",
        "yes" if spec.symmetric else "no",
        "yes" if spec.metric else "no",
        f"≥ {spec.minimum_n}",
        spec.chance or "",
        spec.cost,
        spec.citation.short,
    ]


def _section(card: MeasureCard) -> str:
    spec = card.declared
    lines = [
        f"### {spec.name}",
        "",
        f"{_capital(spec.summary)}.",
        "",
        "```text",
        spec.formula,
        "```",
    ]
    lines += ["", *_quoted(card.definition)]
    if card.parameters:
        lines += [
            "",
            _table(("parameter", "default", "allowed", "meaning"), _rows(card.parameters)),
        ]
    if card.aliases:
        lines += ["", "Also called: " + "; ".join(f"`{alias}`" for alias in card.aliases) + "."]
    if spec.pitfalls:
        lines += ["", f"**Pitfalls.** {spec.pitfalls}"]
    lines += ["", "```bibtex", spec.citation.bibtex, "```", ""]
    return "\n".join(lines)


def _rows(parameters: Sequence[ParameterCard]) -> list[list[str]]:
    return [[f"`{p.name}`", f"`{p.default}`", p.allowed, p.description] for p in parameters]


def _quoted(text: str) -> list[str]:
    """A docstring as it stands: its line breaks and indented formulas matter."""
    return ["```text", *text.splitlines(), "```"]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
