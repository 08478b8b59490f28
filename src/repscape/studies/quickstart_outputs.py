"""What the quickstart writes: tables, figures, the report; and nothing if they stand already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.measures.base import get_measure
from repscape.tasks import digest_json

if TYPE_CHECKING:
    import pandas as pd

    from repscape.report.page import GlossaryEntry

TITLE = "Do small networks that read digits agree?"
OUTPUTS_VERSION = 2
_MANIFEST = "outputs.json"


@dataclass(frozen=True)
class Finding:
    """One of the three numbers that matter, what it is, and where it comes from."""

    value: str
    label: str
    detail: str


def write_outputs(
    folder: Path,
    scores: pd.DataFrame,
    networks: pd.DataFrame,
    geometry: pd.DataFrame,
    keys: Sequence[str],
) -> list[Finding]:
    """Write tables, figures and the report, unless they stand there already, unaltered.

    Parameters
    ----------
    folder : path
        The output folder.
    scores : DataFrame
        The tidy table of all scores; its first measure is the one that the headlines speak of.
    networks : DataFrame
        One row per network.
    geometry : DataFrame
        Descriptors of every layer.
    keys : sequence of str
        Keys of the artefacts that the outputs are made from.
    """
    import repscape

    inputs = digest_json([OUTPUTS_VERSION, repscape.__version__, sorted(keys)])
    known = _standing(folder, inputs)
    if known is not None:
        return known
    findings = _write_all(folder, scores, networks, geometry, keys)
    files = sorted(path for part in ("tables", "figures") for path in (folder / part).iterdir())
    record = {
        "inputs": inputs,
        "headlines": [asdict(finding) for finding in findings],
        "files": {
            path.relative_to(folder).as_posix(): _digest(path)
            for path in [*files, folder / "report.html"]
        },
    }
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    (folder / _MANIFEST).write_text(text, encoding="utf-8")
    return findings


def _standing(folder: Path, inputs: str) -> list[Finding] | None:
    """The findings of outputs of these inputs whose files are all there and unaltered."""
    try:
        record = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        same = record["inputs"] == inputs
        whole = same and all(
            _digest(folder / name) == digest for name, digest in record["files"].items()
        )
        return [Finding(**finding) for finding in record["headlines"]] if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        # No manifest, or one that something else wrote: write the outputs again.
        return None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_all(
    folder: Path,
    scores: pd.DataFrame,
    networks: pd.DataFrame,
    geometry: pd.DataFrame,
    keys: Sequence[str],
) -> list[Finding]:
    from repscape.report.html import write_report
    from repscape.report.profiles import profile_section
    from repscape.report.similarities import similarity_report, summarise

    summary = summarise(scores)
    tables = {
        "scores": scores,
        "networks": networks,
        "geometry": geometry,
        "network_scores": summary.scores,
        "factors": summary.effects,
        "layer_identification": summary.accuracy,
    }
    _write_tables(folder / "tables", tables)
    _write_figures(folder / "figures", scores, geometry)
    report = similarity_report(
        scores, title=TITLE, glossary=_glossary(scores), provenance=_provenance(scores, keys)
    )
    shape = profile_section(geometry, _shape_in_words(geometry))
    write_report(replace(report, sections=[*report.sections, shape]), folder / "report.html")
    return [Finding(h.value, h.label, h.detail) for h in report.headlines]


def _write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False)


def _write_figures(folder: Path, scores: pd.DataFrame, geometry: pd.DataFrame) -> None:
    from repscape.plots.figures import figures_for
    from repscape.plots.profiles import profile_figure
    from repscape.plots.saving import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures_for(scores).items():
        save_figure(figure, folder / name)
    for descriptor in dict.fromkeys(geometry["descriptor"]):
        name = descriptor.partition("[")[0]
        save_figure(profile_figure(geometry, descriptor), folder / f"profile_{name}")


def _shape_in_words(geometry: pd.DataFrame) -> list[str]:
    """What happens from the first hidden layer to the last, by objective."""
    chosen = geometry[geometry["chosen"] & geometry["control"].isna()]
    sentences = []
    for descriptor in dict.fromkeys(chosen["descriptor"]):
        rows = chosen[chosen["descriptor"] == descriptor]
        ends = rows[rows["depth"].isin((0.0, 1.0))]
        means = ends.groupby(["objective", "depth"], sort=False)["value"].mean()
        parts = [
            f"{means[objective, 0.0]:.2g} to {means[objective, 1.0]:.2g} ({objective})"
            for objective in dict.fromkeys(rows["objective"])
        ]
        quantity = rows["quantity"].iloc[0]
        sentences.append(
            f"From the first hidden layer to the last the mean {quantity} goes from "
            f"{' and from '.join(parts)}."
        )
    return [
        *sentences,
        "The dimension is an estimate at one scale, not a property of the network: with few "
        "samples it falls short of large dimensions. Label overlap is the share of a digit's "
        "nearest neighbours that show the same digit.",
    ]


def _glossary(scores: pd.DataFrame) -> list[GlossaryEntry]:
    from repscape.report.page import GlossaryEntry

    entries = []
    for name in dict.fromkeys(scores["measure"]):
        spec = get_measure(name).declared
        low, high = spec.range
        entries.append(
            GlossaryEntry(
                name=name,
                kind=spec.kind,
                range=f"{low:.4g} … {high:.4g}",
                citation=spec.citation.short,
                description=f"{spec.summary}. {spec.pitfalls}".strip(),
            )
        )
    return entries


def _provenance(scores: pd.DataFrame, keys: Sequence[str]) -> dict[str, str]:
    import torch

    import repscape

    first = scores.iloc[0]
    return {
        "made by": f"repscape {repscape.__version__} quickstart",
        "data": f"{first['data']} ({first['split']}), n = {first['n']}",
        "sample digest": str(first["sample_digest"]),
        "digest of the artefacts used": digest_json(sorted(keys)),
        "torch": torch.__version__,
        "recompute": "repscape quickstart",
    }
