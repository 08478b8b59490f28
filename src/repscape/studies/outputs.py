"""What a study leaves: tables, figures, the report; and nothing if they stand already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.measures.base import get_measure
from repscape.report.html import write_report
from repscape.report.page import GlossaryEntry, Headline, Report, Section
from repscape.store.atomic import replace_file, writing
from repscape.store.manifest import library_versions
from repscape.store.tables import as_parquet
from repscape.studies import unscored
from repscape.studies.provenance import Provenance, sidecar
from repscape.studies.recompute import IN_THE_FOLDER
from repscape.studies.snapshot import write_study
from repscape.studies.steps.analyse import analysis_tables
from repscape.studies.steps.base import Part
from repscape.tasks import digest_json

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store
    from repscape.studies.phases import Beginning, End
    from repscape.studies.study import Study

OUTPUTS_VERSION = 2
MANIFEST = "outputs.json"
_RECORDED = {"inputs", "tables", "headlines", "unscored", "files"}


@dataclass(frozen=True)
class Missing:
    """Something that the study asked for and that is not in its results, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Written:
    """What the output folder holds now."""

    report: Path
    headlines: tuple[Headline, ...]
    fresh: bool
    """Whether anything was written."""
    unscored: tuple[str, ...] = ()
    """What has no number, and why, in a line each."""


@dataclass(frozen=True)
class Results:
    """All that the outputs are made from."""

    study: Study
    beginning: Beginning
    end: End
    store: Store
    missing: Sequence[Missing] = ()

    def keys(self) -> dict[str, str]:
        """The keys of the tables by name, those of analyses included."""
        found = {
            name: task.key for name, task in self.end.tables.items() if self.store.has(task.key)
        }
        for task in self.end.analyses.values():
            if self.store.has(task.key):
                found |= analysis_tables(self.store, task.key)
        return found


def write_outputs(
    folder: Path,
    results: Results,
    again: bool = False,
    on_write: Callable[[], None] | None = None,
) -> Written:
    """Write tables, figures and the report, unless they stand there already, unaltered.

    Parameters
    ----------
    folder : path
        The output folder.
    results : Results
    again : bool
        Write them even if they stand.
    on_write : callable (), optional
        Called before anything is written.

    Raises
    ------
    StoreNotWritableError
        If the disk is full or read-only. The next call writes all outputs anew.
    """
    keys = results.keys()
    inputs = digest_json(_inputs(results, keys))
    known = None if again else _standing(folder, inputs)
    if known is not None:
        return known
    if on_write is not None:
        on_write()
    writer = _Writer(folder, results, keys)
    with writing(folder):
        headlines = writer.write()
    record = {
        "inputs": inputs,
        "tables": keys,
        "headlines": [asdict(headline) for headline in headlines],
        "unscored": writer.unscored,
        "files": {
            path.relative_to(folder).as_posix(): _digest(path) for path in sorted(writer.files)
        },
    }
    replace_file(folder / MANIFEST, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return Written(folder / "report.html", tuple(headlines), True, tuple(writer.unscored))


def are_written(folder: Path, tables: Collection[str]) -> bool:
    """Whether all outputs lie in the folder that were made of the tables with these keys."""
    record = _recorded(folder)
    if record is None or not set(tables) <= set(record["tables"].values()):
        return False
    return all((folder / name).is_file() for name in record["files"])


def _inputs(results: Results, keys: Mapping[str, str]) -> Any:
    study = results.study
    return {
        "version": OUTPUTS_VERSION,
        "libraries": library_versions(),
        "study": study.digest,
        "tables": dict(keys),
        "missing": [asdict(one) for one in results.missing],
    }


def _standing(folder: Path, inputs: str) -> Written | None:
    """The outputs of these inputs, if their files are all there and unaltered."""
    record = _recorded(folder)
    if record is None or record["inputs"] != inputs:
        return None
    files = {folder / name: digest for name, digest in record["files"].items()}
    if not all(path.is_file() and _digest(path) == digest for path, digest in files.items()):
        return None
    headlines = tuple(Headline(**one) for one in record["headlines"])
    return Written(folder / "report.html", headlines, False, tuple(record["unscored"]))


def _recorded(folder: Path) -> dict[str, Any] | None:
    """What was written down of the outputs; None without it, or if something else wrote it."""
    try:
        record = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.keys() >= _RECORDED else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Writer:
    """Writes all outputs of one study and remembers which files they are."""

    def __init__(self, folder: Path, results: Results, keys: Mapping[str, str]) -> None:
        self.folder, self.results, self.keys = folder, results, keys
        self.study = results.study
        self.tables = {name: results.store.read_table(key) for name, key in keys.items()}
        self.unscored = unscored.found(self.tables)
        self.files: list[Path] = []

    def write(self) -> list[Headline]:
        (self.folder / "tables").mkdir(parents=True, exist_ok=True)
        (self.folder / "figures").mkdir(parents=True, exist_ok=True)
        self.files.append(write_study(self.folder, self.study))
        for name, table in self.tables.items():
            self._write_table(name, table)
        self._write_figures()
        headlines = self._write_report()
        self._remove_stale()
        return headlines

    def provenance(self, what: str, tables: Sequence[str]) -> Provenance:
        beginning, study = self.results.beginning, self.study
        data = {
            one.data.name: str(one.task.recipe.parameters.get("data_revision", one.revision))
            for one in beginning.extractions
        }
        seeds: dict[str, Any] = {}
        if study.calibrated and study.file.significance is not None:
            seeds["significance"] = study.file.significance.seed
        if study.file.describe.controls:
            seeds["controls"] = study.file.describe.seed
        seeds |= {
            model.name: model.options["seed"] for model in study.models if "seed" in model.options
        }
        return Provenance(
            what=what,
            study=study.name,
            study_digest=study.digest,
            command=IN_THE_FOLDER,
            inputs={name: self.keys[name] for name in tables if name in self.keys},
            models=dict(beginning.revisions),
            data=data,
            seeds=seeds,
            versions=library_versions(),
        )

    def _write_table(self, name: str, table: pd.DataFrame) -> None:
        provenance = self.provenance(f"tables/{name}.parquet", [name])
        content, _ = as_parquet(table, {"repscape": provenance.to_json()})
        self._write_bytes(f"tables/{name}.parquet", content)
        csv = f"tables/{name}.csv"
        self._write_text(csv, table.to_csv(index=False))
        beside = sidecar(self.folder / csv).relative_to(self.folder).as_posix()
        self._write_text(beside, self.provenance(csv, [name]).to_json() + "\n")

    def _write_figures(self) -> None:
        from repscape.plots.saving import save_figure

        for chosen in self.study.figures:
            if not all(name in self.tables for name in chosen.step.needs):
                continue
            for name, figure in chosen.step.draw(self.tables, chosen.options).items():
                what = self.provenance(f"figures/{name}", chosen.step.needs)
                embedded = {"png": what.to_json(), "pdf": what.for_pdf()}
                self.files += save_figure(figure, self.folder / "figures" / name, embedded)

    def _write_report(self) -> list[Headline]:
        parts: list[Part] = [
            chosen.step.write(self.tables, chosen.options)
            for chosen in self.study.sections
            if all(name in self.tables for name in chosen.step.needs)
        ]
        headlines = [headline for part in parts for headline in part.headlines]
        sections = [section for part in parts for section in part.sections]
        lines = [f"{one.what}: {one.reason}" for one in self.results.missing]
        if lines := lines + self.unscored:
            sections.insert(0, Section("What is missing", lines))
        what = self.provenance("report.html", list(self.keys))
        leads = [self.study.file.question or "", *(part.lead for part in parts)]
        report = Report(
            self.study.title,
            sections,
            " ".join(" ".join(lead.split()) for lead in leads if lead),
            headlines,
            _glossary(self.tables.get("scores")),
            self._shown(what),
        )
        self.files.append(
            write_report(replace(report, embedded=what.to_json()), self.folder / "report.html")
        )
        return headlines

    def _shown(self, what: Provenance) -> dict[str, str]:
        """The provenance as a reader of the report sees it."""
        shown = {"made by": f"repscape {what.versions['repscape']}, study {what.study}"}
        scores = self.tables.get("scores")
        if scores is not None:
            for data, rows in scores.groupby("data", sort=False, dropna=False):
                first = rows.iloc[0]
                split = "" if first["split"] is None else f" ({first['split']})"
                shown[f"data {data}"] = f"n = {first['n']}{split}, samples {first['sample_digest']}"
        return {
            **shown,
            "digest of the study": what.study_digest,
            "digest of the tables": digest_json(what.inputs),
            "versions": ", ".join(f"{k} {v}" for k, v in what.versions.items()),
            "recompute": f"{what.command} (in this folder; repscape trace says it for any other)",
        }

    def _write_text(self, name: str, text: str) -> None:
        self._write_bytes(name, text.encode())

    def _write_bytes(self, name: str, content: bytes | memoryview) -> None:
        path = self.folder / name
        replace_file(path, bytes(content))
        self.files.append(path)

    def _remove_stale(self) -> None:
        """Remove tables and figures that an earlier run of this study wrote and this one not."""
        try:
            before = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        now = {path.relative_to(self.folder).as_posix() for path in self.files}
        for name in before.keys() - now:
            path = self.folder / name
            if path.parent.name in ("tables", "figures") and path.is_file():
                path.unlink()


def _glossary(scores: pd.DataFrame | None) -> list[GlossaryEntry]:
    entries = []
    for name in dict.fromkeys([] if scores is None else scores["measure"]):
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
