"""`repscape profile`: descriptors along the layers of a model."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli.describe import (
    DESCRIPTOR_HELP,
    LABELS_HELP,
    NO_VALUE,
    Duplicates,
    json_rows,
)
from repscape.cli.output import JSON_HELP, note, on_terminal, print_json, print_table
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import pandas as pd

    from repscape.profile import Profile
    from repscape.representation import Representation


def profile(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES", help="The layers of one model, in the order of depth."),
    ] = None,
    descriptor: Annotated[
        list[str] | None,
        typer.Option("--descriptor", "-d", metavar="NAME", help=DESCRIPTOR_HELP),
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            "-m",
            metavar="NAME",
            help="Between layers: mutual_knn[…], information_imbalance[…].",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", "-l", metavar="FILE", help=LABELS_HELP)
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Also describe: shuffled, gaussian."),
    ] = None,
    untrained: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A layer of the untrained twin; one for each layer."),
    ] = None,
    duplicates: Annotated[
        Duplicates, typer.Option(help="Drop, keep or refuse rows that equal an earlier one.")
    ] = Duplicates.drop,
    published: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Instead: the files of Valeriani et al. (2023), or the results of their code.",
        ),
    ] = None,
    size: Annotated[
        str,
        typer.Option(metavar="SIZE", help="In the names of those files: S, M, L, small, 650M, …"),
    ] = "S",
    samples: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="In the names of a results folder: train_cpt1000, …"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Write tables, figures and report.html there."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Describe the layers of a model, at relative depth l / l_last.

    One scale is chosen for the whole profile. Arrays of one file are named with "::":

    repscape profile model.npz::0 model.npz::1 model.npz::2 -d gride -o figures

    Exits with 2 if no layer has a value.
    """
    if (published is None) == (not files):
        raise InvalidParameterError("give the FILES of the layers, or --published FOLDER")
    if published is not None:
        from repscape.published_profile import published_profile

        result = published_profile(published, size, samples)
    else:
        result = _profile_files(
            files or [], descriptor, measure, labels, control, untrained, duplicates.value
        )
    if out is not None:
        for path in _write(result, out):
            note(f"wrote {path}")
    if as_json:
        print_json({"profile": json_rows(result.values), "marks": json_rows(result.marks)})
    else:
        _print(result)
    if result.values["value"].isna().all():
        raise typer.Exit(NO_VALUE)


def _profile_files(
    files: list[str],
    descriptors: list[str] | None,
    measures: list[str] | None,
    labels: str | None,
    controls: list[str] | None,
    untrained: list[str] | None,
    duplicates: str,
) -> Profile:
    from repscape.data.labels import load_labels
    from repscape.profile import profile as profile_layers

    if untrained and len(untrained) != len(files):
        raise InvalidParameterError(
            f"--untrained was given {len(untrained)} times for {len(files)} layers: one for each"
        )
    return profile_layers(
        _layers(files),
        descriptors or ["gride"],
        measures=measures,
        labels=None if labels is None else load_labels(labels),
        duplicates=duplicates,
        controls=controls or [],
        untrained=None if not untrained else _layers(untrained, files),
    )


def _layers(files: list[str], like: list[str] | None = None) -> dict[str, Representation]:
    """The representations in files as the layers of one model, called as those of `like`."""
    from repscape.data.files import load

    found = []
    for file in files:
        rep = load(file)
        model = rep.origin.model if rep.origin.layer is not None else None
        layer = rep.origin.layer or rep.origin.model
        found.append(replace(rep, origin=replace(rep.origin, model=model, layer=layer)))
    return dict(zip(_short_names(like or files), found, strict=True))


def _short_names(files: list[str]) -> list[str]:
    """The names of arrays or files without folders, where these tell the layers apart."""
    if len(set(files)) != len(files):
        raise InvalidParameterError("a file stands twice among the layers: give each layer once")
    short = [file.rpartition("::")[2] if "::" in file else Path(file).stem for file in files]
    return short if len(set(short)) == len(short) else files


def _print(result: Profile) -> None:
    marks = {(row["descriptor"], row["rep"]): row["mark"] for row in json_rows(result.marks)}
    several = result.values["descriptor"].nunique() > 1
    columns = ("layer", "depth", "value", "mark")
    lines = []
    for name, rows in result.values.groupby("descriptor", sort=False):
        cells = [
            [
                str(row["rep"]),
                f"{row['depth']:.2f}",
                _value(row),
                marks.get((name, row["rep"]), ""),
            ]
            for row in json_rows(rows)
        ]
        if on_terminal():
            print_table(columns, cells, title=str(name))
        lines += [[str(name), *line] if several else line for line in cells]
    if not on_terminal():
        # One table that other programs can read, whatever was asked for.
        print_table(("descriptor", *columns) if several else columns, lines)
    for _, rows in result.values.groupby("descriptor", sort=False):
        _note_scale(rows)


def _value(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return ""
    shown = f"{row['value']:.5g}"
    return shown if row["standard_error"] is None else f"{shown} ± {row['standard_error']:.2g}"


def _write(result: Profile, folder: Path) -> list[Path]:
    """Write the tables, a figure of every descriptor and measure, and the report with all."""
    from repscape.plots.heatmap import heatmap
    from repscape.plots.profiles import (
        imbalance_plane_figure,
        profile_figure,
        profile_panels,
        scale_figure,
    )
    from repscape.plots.saving import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    tables = {"profile": result.table, "marks": result.marks, "overlaps": result.overlaps}
    for title, table in tables.items():
        if len(table):
            path = folder / f"{title}.parquet"
            table.to_parquet(path, index=False)
            written.append(path)
    known = result.table[result.table["value"].notna()]
    several = list(dict.fromkeys(known["descriptor"]))
    if len(several) > 1:
        panels = profile_panels(result.table, several, result.marks)
        written += save_figure(panels, folder / "profiles")
    for name in dict.fromkeys(result.table["descriptor"]):
        rows = result.table[result.table["descriptor"] == name]
        stem = folder / re.split(r"[\[@]", str(name))[0]
        if rows["value"].notna().any():
            written += save_figure(profile_figure(rows, marks=result.marks), stem)
        if rows.groupby("rep", sort=False)["scale"].nunique().max() > 1:
            written += save_figure(scale_figure(rows), stem.with_name(f"{stem.name}_scales"))
    for name, rows in result.overlaps.groupby("measure", sort=False):
        stem = folder / re.split(r"[\[@]", str(name))[0]
        directed = rows["kind"].iloc[0] == "distance"
        written += save_figure(heatmap(rows, by="rep", symmetric=not directed), stem)
        if directed:
            plane = imbalance_plane_figure(rows)
            written += save_figure(plane, stem.with_name(f"{stem.name}_plane"))
    return [*written, _write_report(result, folder / "report.html")]


def _write_report(result: Profile, path: Path) -> Path:
    import repscape
    from repscape.describe import definitions
    from repscape.report.geometry import geometry_report
    from repscape.report.html import write_report

    digests = result.table["sample_digest"].dropna().unique()
    report = geometry_report(
        result.table,
        result.marks,
        result.overlaps,
        definitions=definitions(list(dict.fromkeys(result.table["descriptor"]))),
        provenance={
            "made by": f"repscape {repscape.__version__} profile",
            "sample digest": ", ".join(map(str, digests)) or "unknown",
        },
    )
    return write_report(report, path)


def _note_scale(rows: pd.DataFrame) -> None:
    chosen = rows[rows["chosen"]]
    if len(chosen) and chosen["choice"].notna().any():
        kind, scale = chosen["scale_kind"].iloc[0], chosen["scale"].iloc[0]
        why = str(chosen["choice"].dropna().iloc[0]).partition(";")[0]
        note(f"{kind} {scale:g}: {why}")
    for reason, part in rows[rows["reason"].notna()].groupby("reason", sort=False):
        note(f"no value for {', '.join(part['rep'])}: {reason}")
