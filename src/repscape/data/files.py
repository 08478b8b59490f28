"""`load`: a representation from a file that somebody saved, read without executing code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from repscape.data import array_files, table_files
from repscape.data.contents import Contents
from repscape.errors import InvalidRepresentationError, UnreadableFileError, UnsafeFileError
from repscape.representation import Origin, Representation

_CHOICE = "::"
_READERS: Mapping[str, Callable[[Path, str | None], Contents]] = {
    ".npy": array_files.read_npy,
    ".npz": array_files.read_npz,
    ".safetensors": array_files.read_safetensors,
    ".pt": array_files.read_torch,
    ".pth": array_files.read_torch,
    ".csv": table_files.read_csv,
    ".parquet": table_files.read_parquet,
}
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill")


def load(path: str | Path) -> Representation:
    """Read the representation in a file.

    Parameters
    ----------
    path : str or Path
        - `.npy`: an array, samples × features; it is memory-mapped.
        - `.npz`, `.safetensors`, `.pt`, `.pth`: the array called `values` or `representation`,
          or the only one; with, optionally, arrays `sample_ids` (or `ids`) and `labels`.
          Where there are several, choose with `"file.npz::name"`.
        - `.csv`, `.parquet`: the numeric columns are the features, in their order;
          optionally a column `sample_id` (or `id`) and one `label`. Columns of text become
          metadata columns. A CSV file without a header line is recognised by its numbers.

    Returns
    -------
    Representation
        `origin.model` is the name of the file without its suffix, `origin.layer` the array
        that was chosen with `::`, if one was. Without ids in the file, ids are 0 … n-1.

    Raises
    ------
    UnsafeFileError
        If reading would execute code that the file carries (pickle, object arrays).
    UnreadableFileError
        If the file is missing, truncated, of no known suffix, or not what its suffix says; or
        if it holds several arrays and none was chosen.
    InvalidRepresentationError
        If what it holds is not samples × features.
    """
    file, choice = _split_choice(str(path))
    reader = _reader(file)
    contents = reader(file, choice)
    try:
        representation = Representation(
            contents.values,
            sample_ids=contents.sample_ids,  # type: ignore[arg-type]  # None: 0 … n-1
            labels=contents.labels,
            columns=contents.columns,
            origin=Origin(model=file.stem, layer=choice),
        )
    except InvalidRepresentationError as problem:
        raise type(problem)(f"{file}: {problem}") from None
    return replace(representation, origin=_with_dtype(representation))


def _with_dtype(representation: Representation) -> Origin:
    dtype = str(representation.values.dtype).removeprefix("torch.")
    return replace(representation.origin, dtype=dtype)


def _split_choice(path: str) -> tuple[Path, str | None]:
    if _CHOICE in path and not Path(path).exists():
        file, _, choice = path.rpartition(_CHOICE)
        return Path(file), choice
    return Path(path), None


def _reader(file: Path) -> Callable[[Path, str | None], Contents]:
    suffix = file.suffix.lower()
    if suffix in _PICKLES:
        raise UnsafeFileError(
            f"{file}: a {suffix} file is a pickle, and reading a pickle executes code that it "
            "carries. Save the array itself: np.save('name.npy', values) or "
            "safetensors.numpy.save_file({'values': values}, 'name.safetensors')"
        )
    if suffix not in _READERS:
        raise UnreadableFileError(
            f"{file}: no reader for the suffix {suffix!r}; representations are read from "
            + ", ".join(_READERS)
        )
    if not file.exists():
        raise UnreadableFileError(
            f"{file}: there is no such file (looked in {file.parent.resolve()})"
        )
    if not file.is_file():
        raise UnreadableFileError(f"{file}: this is a folder, not a file")
    return _READERS[suffix]
