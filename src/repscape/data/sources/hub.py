"""`hf:` a data set of the Hugging Face hub, or one that was saved to a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repscape.data.digests import files_revision
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource, choose_split
from repscape.data.table_samples import SampleColumns, Table, table_source
from repscape.errors import InvalidParameterError, UnreadableFileError
from repscape.extras import import_extra
from repscape.hub import hub_or_cache
from repscape.tasks import digest_json

_EXTRA = "hub"
_PURPOSE = "data by the name hf:"
_OFFLINE = (
    "it cannot be reached, and is not in the local cache: download it where there is a network "
    "(datasets.load_dataset), save it (.save_to_disk('folder')), and give 'hf:folder'"
)


@data_scheme("hf", "hf:cais/mmlu", "a data set of the Hugging Face hub", also=SampleColumns)
def open_hub(
    location: str,
    *,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    **choice: Any,
) -> DataSource:
    """Rows of a data set of the hub, or of a folder made by `save_to_disk`.

    Ids are the column of ids, or the rows 0, 1, 2, … of the split. The content revision is the
    commit, or a digest of the files of a folder. Data sets that are programs are not run.

    Parameters
    ----------
    location : str
        `owner/name`, or a folder.
    config, split : str, optional
        Required where there are several.
    revision : str, optional
        A branch, tag or commit; by default the newest that can be reached, or the cached one.
    **choice
        The columns: those of `SampleColumns`, e.g. `template="{question} {choices[0]}"`.

    Raises
    ------
    UnreadableFileError
        If it cannot be reached and is not in the cache, or does not exist.
    """
    datasets = import_extra("datasets", _EXTRA, _PURPOSE)
    columns = SampleColumns(**choice)
    where = f"hf:{location}"
    folder = Path(location).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise InvalidParameterError(f"{where}: a folder has no revision={revision!r}")
        content = _from_disk(datasets, folder, where)
        find: Callable[[], str] = files_revision(_files(folder), split=split, **columns.to_dict())
        name = f"hf:{folder.resolve().name}"
    else:
        commit = _commit(location, revision, where)
        content = _from_hub(datasets, location, config, commit, where)
        identity = digest_json([commit, config, columns.to_dict()])
        find, name = (lambda: identity), where
    rows, part = _split(content, split, where)
    table = _table(datasets, rows, name if config is None else f"{name}/{config}", where)
    return table_source(table, columns, find, part)


def _from_disk(datasets: Any, folder: Path, where: str) -> Any:
    try:
        return datasets.load_from_disk(str(folder))
    except (FileNotFoundError, OSError, ValueError) as problem:
        raise UnreadableFileError(
            f"{where}: not a folder of save_to_disk ({_line(problem)}); for files, write "
            f"'parquet:{folder}', 'jsonl:{folder}', 'folder:{folder}', …"
        ) from None


def _from_hub(datasets: Any, name: str, config: str | None, commit: str, where: str) -> Any:
    try:
        with hub_or_cache():
            return datasets.load_dataset(name, config, revision=commit)
    except ConnectionError as problem:
        raise UnreadableFileError(f"{where}: {_OFFLINE} ({_line(problem)})") from None
    except (FileNotFoundError, ValueError, RuntimeError) as problem:
        raise UnreadableFileError(f"{where}: {_line(problem)}") from None


def _commit(name: str, revision: str | None, where: str) -> str:
    """The commit that a revision means: from the hub, or else from the cache."""
    hub = import_extra("huggingface_hub", _EXTRA, _PURPOSE)
    errors = import_extra("huggingface_hub.errors", _EXTRA, _PURPOSE)
    try:
        with hub_or_cache():
            return str(hub.HfApi().dataset_info(name, revision=revision).sha)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as problem:
        raise UnreadableFileError(
            f"{where}: there is no such data set, or it is gated or private (log in with "
            f"`hf auth login`): {_line(problem)}"
        ) from None
    except errors.HFValidationError as problem:
        raise UnreadableFileError(
            f"{where}: neither a folder nor a name of the hub ({_line(problem)})"
        ) from None
    except Exception as problem:  # no network shows itself in many ways
        cached = Path(hub.constants.HF_HUB_CACHE) / f"datasets--{name.replace('/', '--')}"
        reference = cached / "refs" / (revision or "main")
        if reference.is_file():
            return reference.read_text(encoding="utf-8").strip()
        if revision is not None and (cached / "snapshots" / revision).is_dir():
            return revision
        said = "" if isinstance(problem, errors.OfflineModeIsEnabled) else f" ({_line(problem)})"
        raise UnreadableFileError(f"{where}: {_OFFLINE}{said}") from None


def _split(content: Any, split: str | None, where: str) -> tuple[Any, str]:
    if not isinstance(content, Mapping):  # one split, saved by itself
        known = str(content.split) if content.split is not None else "all"
        return content, choose_split(where, split, [known])
    part = choose_split(where, split, list(content))
    return content[part], part


def _table(datasets: Any, rows: Any, name: str, where: str) -> Table:
    encoded = rows
    for column, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            encoded = encoded.cast_column(column, datasets.Image(decode=False))
    lock = threading.Lock()  # the data set keeps the state of its last read

    def cells(row: int, names: Sequence[str]) -> Mapping[str, Any]:
        with lock:
            return {column: encoded[row][column] for column in names}

    return Table(
        name=name,
        where=where,
        names=list(rows.column_names),
        column=lambda column: list(encoded[column]),
        cells=cells,
        length=len(rows),
    )


def _files(folder: Path) -> dict[str, Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path
        for path in found
        if path.suffix == ".arrow" or path.name in ("dataset_info.json", "dataset_dict.json")
    }


def _line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
