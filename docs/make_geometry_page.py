"""Write `docs/geometry.md`: how to read the numbers, and what every descriptor declares.

Run: python docs/make_geometry_page.py
A test holds the committed page to what this gives.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from repscape.catalogue import format_range
from repscape.geometry.base import DESCRIPTORS, INVARIANCES, Descriptor, get_descriptor
from repscape.geometry.presets import PRESETS
from repscape.registry import format_value

PAGE = Path(__file__).parent / "geometry.md"

HEAD = """\
# The shape of a representation

<!-- Written by docs/make_geometry_page.py: change that, or the declarations, not this page. -->

```python
found = repscape.describe(x, ["gride", "participation_ratio"])  # x: samples × features
found.values  # one row per descriptor: value, standard error, scale, n, notes
found.table  # the whole curves
found.diagnostics  # duplicates, near-duplicates, ties

profile = repscape.profile(layers, ["gride", "label_overlap"], controls=["gaussian"])
profile.values, profile.marks, profile.overlaps
```

```sh
repscape describe layer.npy -d gride -d 'label_overlap[k=30]' --labels labels.npy
repscape profile l0.npy l1.npy l2.npy -d gride -m 'mutual_knn[k=10,metric=euclidean]' -o out
```

`out/` then holds the tables, every figure as PNG and PDF, and `report.html` with the same figures
to hover over. `repscape describe --list` prints the descriptors.

## A dimension is a number at a scale

An intrinsic dimension is estimated from distances between near neighbours. Over short distances
noise fills all directions and the estimate is high; over long ones curvature, clusters and the
boundary of the data take over. So the result is a curve, and one scale of it stands for the whole:

- `gride` and `correlation_integral` run over neighbour ranks, `twonn_scaling` and `twonn_blocks`
  over ever fewer samples, which are further apart.
- Unless you ask for one (`gride[scale=16]`), the scale is the middle of the *flattest run*:
  adjacent scales between which |Δ ln d| is smallest in units of its standard error. A profile has
  one scale for all its layers, chosen on their average; the column `choice` says which and why.
- Where no scale is flat, no dimension describes the data, and the number is a convention.

Large dimensions come out too small at any affordable n, whatever the estimator (TwoNN finds 14.8 to
16.6 for 5,000 points of a cube of 20 dimensions). Compare layers at equal n and scale; do not read
the numbers as the dimension of a manifold. **Call it an estimate, and show controls beside it**:

- `controls=["shuffled"]`: every feature in an order of its own. What is left comes from the
  features one by one.
- `controls=["gaussian"]`: a normal cloud of the same mean and covariance. What is left is linear.
- `untrained=layers`: the same network before training. What is left is the architecture.

## Standard errors

`independent_error` is the usual one from the Fisher information. Samples share neighbours, which
makes it too small; `standard_error` corrects for that (the scores of neighbouring samples are
correlated, and their covariance is added). On uniform points of a periodic cube, where the truth is
known at every scale, two standard errors cover it in at least 87 % of 60 point sets of 800 points,
at every scale, for 2 and 5 dimensions (`tests/geometry/test_known_shapes.py`). They say how much
the estimate would vary with other samples, not how far it is from the truth.

## Duplicates, ties and labels

Equal rows are found by their content and dropped (`duplicates="drop"`); the mask and the
multiplicities are returned. In a profile a sample that repeats an earlier one in any layer is
dropped from all, so that layers describe the same samples; a layer where fewer than half are
distinct (the embedding of a shared last token) has no say and no value. `"keep"` leaves them in and
notes what had to be left out of a fit; `"error"` refuses.

Samples nearer than 1e-6 of the median nearest distance are near-duplicates, usually equal inputs
from different batches: they are counted and warned of. Integer, binary or quantised values put
neighbours at equal distances, which estimates assume never happens: above 1 % of the samples there
is a warning. Ties are broken by index.

A label overlap needs a label for every sample. `k=0.3class` takes 30 % of the size of the sample's
own class as k; classes smaller than k + 1 are noted, since they cannot reach 1.

## Between layers

- **Neighbourhood overlap χ**, `mutual_knn[k=10,metric=euclidean]`: the share of the k nearest
  neighbours of a sample that two layers have in common, averaged. From 0 to 1, larger is more
  alike; k/(n − 1) by chance.
- **Information imbalance Δ(a → b)**, `information_imbalance`: 2/n times the mean rank in b of the
  nearest neighbour in a. From 2/n (a predicts b) to 1 (it tells nothing), smaller is more; not
  symmetric. Exact at any n and k; it depends on n.

## How to read the figures

- *Profile*: the descriptor against relative depth l / l_last. The band is one standard error on
  either side, thin broken lines are controls, the grey line is chance. *Peak* is the first peak
  that stands out (by 5 % of the range and two standard errors) and that no earlier layer exceeds,
  or the largest value where none is; *minimum* the smallest value after it, *bump* the next peak.
- *Scales*: the same descriptor against the scale, a line per layer, dark to bright. Trust it where
  lines are flat and do not cross: where they cross, the order of the layers depends on the scale.
- *Heat maps* of χ and Δ: layers against layers, of one model or of two, brighter is more alike. In
  the map of Δ the row predicts the column.
- *The plane of Δ*: a point per pair, Δ(a → b) to the right, Δ(b → a) upwards. Bottom left: each
  predicts the other. Top right: neither does. Above the diagonal a predicts b better: a holds more.

## Published studies

A preset names the descriptors and measures of a study: `repscape.profile(layers,
["valeriani2023"])`. With the published files, or the results folder of the study's code, its figure
is one command, at l / l_last in both panels (the published one shifted them against each other):

```sh
repscape profile --published FOLDER --size S -o out  # or 650M (proteins), small (results)
```

## Speed and memory

One neighbour table per layer serves all descriptors and overlaps. Measured on one thread of a
loaded machine, as processor time, n = 10,000, d = 768 (`benchmarks/geometry.py`): every dimension
estimate at every scale and χ of all 78 pairs of 13 layers took 1.0 s from their tables; the whole
profile, tables included, 2.2 s per layer. For each layer scikit-dimension's TwoNN and MLE took 4.3
times as long (3.9 to 4.4), DADApy's 2NN and Gride 1.8 times, scikit-learn's exact search alone 1.9
times, faiss's exact search alone (in plain float32, which large offsets spoil) 0.85 times. At
n = 50,000 the peak was 293 MiB beyond the input; n = 90,000, d = 512 would take 98 s per layer by
the growth from 5,000 to 20,000.

"""


def page() -> str:
    """The whole page."""
    found = [get_descriptor(cls()) for cls in DESCRIPTORS.classes()]
    parts = [HEAD]
    parts += [
        _table(
            ("preset", "descriptors", "measures", "remarks"),
            [
                [
                    f"`{p.name}`",
                    ", ".join(f"`{d}`" for d in p.descriptors),
                    ", ".join(f"`{m}`" for m in p.measures),
                    p.remarks,
                ]
                for p in PRESETS.values()
            ],
        ),
        "## Descriptors\n",
        "Names are shown with their default parameters. **Same**: what leaves the values as they "
        "are; every descriptor but those marked is unchanged by orthogonal maps, permutations and "
        "scaling of the features, translation, added columns of zeros, and the order of samples.\n",
    ]
    families = dict.fromkeys(descriptor.declared.family for descriptor in found)
    for family in families:
        members = [one for one in found if one.declared.family == family]
        parts.append(f"### {_capital(family)}\n")
        columns = ("descriptor", "value", "range", "curve over", "changed by", "n", "source")
        parts.append(_table(columns, [_cells(one) for one in members]))
        parts += [_section(one) for one in members]
    return "\n".join(parts)


def _cells(descriptor: Descriptor) -> list[str]:
    spec = descriptor.declared
    changing = [name.replace("_", " ") for name in INVARIANCES if name not in spec.invariances]
    return [
        f"[`{spec.name}`](#{spec.name})",
        spec.quantity,
        format_range(*spec.range),
        spec.scale or "–",
        ", ".join(changing) or "–",
        f"≥ {spec.minimum_n}",
        spec.citation.short,
    ]


def _section(descriptor: Descriptor) -> str:
    spec = descriptor.declared
    lines = [f"#### {spec.name}", "", f"{_capital(spec.summary)}. `{descriptor.name}`", ""]
    lines += ["```text", spec.formula, "", *_definition(descriptor), "```"]
    rows = [
        [f"`{f.name}`", f"`{format_value(f.default)}`", f.metadata["description"]]
        for f in fields(descriptor)  # type: ignore[arg-type]
    ]
    if rows:
        lines += ["", _table(("parameter", "default", "meaning"), rows)]
    if spec.aliases:
        lines += ["", f"Also called {', '.join(f'`{alias}`' for alias in spec.aliases)}."]
    lines += ["", f"**Cost.** {_capital(spec.cost)}."]
    if spec.pitfalls:
        lines += ["", f"**Pitfalls.** {spec.pitfalls}"]
    lines += ["", "```bibtex", spec.citation.bibtex, "```", ""]
    return "\n".join(lines)


def _definition(descriptor: Descriptor) -> list[str]:
    """The docstring as it stands: its line breaks and indented formulas matter."""
    return inspect.cleandoc(type(descriptor).__doc__ or "").splitlines()


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
