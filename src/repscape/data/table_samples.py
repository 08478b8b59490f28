"""Samples from the rows of a table: which column is the content, the id, the label."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from repscape.data.contents import ID_NAMES, LABEL_NAMES, first_known
from repscape.data.images import read_image
from repscape.data.source import DataSource, Reader
from repscape.errors import InvalidParameterError, SampleError, did_you_mean

TEXT_NAMES = ("text", "sentence", "content", "prompt", "document", "caption", "question")
SEQUENCE_NAMES = ("sequence", "protein", "seq")
IMAGE_NAMES = ("image", "img", "jpg", "png", "webp")
_LABELS = (*LABEL_NAMES, "class", "target")
_SCALARS = (str, bool, int, float, np.generic)
_NONE = ""
_SHORT_TEXT = 200
"""Characters; an array of text takes as much for every cell as the longest needs."""


@dataclass(frozen=True)
class Table:
    """Rows with named cells, read when they are needed.

    Attributes
    ----------
    name, where : str
        A short name for figures, and what the user wrote, for messages.
    names : sequence of str
        The columns.
    column : callable
        Returns all cells of a column, without decoding images.
    cells : callable
        Returns the cells of one row in some columns; safe to call from several threads.
    folder : Path, optional
        Where relative paths of images begin.
    """

    name: str
    where: str
    names: Sequence[str]
    column: Callable[[str], Sequence[Any]]
    cells: Callable[[int, Sequence[str]], Mapping[str, Any]]
    length: int
    folder: Path | None = None


@dataclass(frozen=True)
class SampleColumns:
    """Which columns of a table are what; the options of all sources that are tables.

    Attributes
    ----------
    column : str, optional
        The text; by default a column with a usual name (text, sentence, …), or the only one
        that holds text.
    template : str, optional
        Instead: text made of several columns, e.g. `"{question} {choices[0]}"`.
    answer : str, optional
        A column, or a template: samples are then pairs of prompt and answer.
    image : str, optional
        The images (encoded, or paths relative to the file). With a text as well, samples have
        the modalities `"image"` and `"text"`.
    modality : str, optional
        What the text is: `"text"`, or `"protein"` for sequences of amino acids.
    id : str, optional
        By default `id`, `ids`, `sample_id` or `sample_ids`; without such a column, or with
        `id=""`, samples are numbered 0, 1, 2, … by their rows.
    label : str, optional
        By default `label`, `labels`, `class` or `target`; `label=""` means none.
    columns : sequence of str (or text with commas), optional
        The metadata that travels along; by default all other columns of numbers, and of text of
        up to 200 characters.
    """

    column: str | None = None
    template: str | None = None
    answer: str | None = None
    image: str | None = None
    modality: str | None = None
    id: str | None = None
    label: str | None = None
    columns: Sequence[str] | str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The options that were given, as plain JSON values."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v if isinstance(v, str) else list(v) for k, v in given.items() if v is not None}


@dataclass(frozen=True)
class TextCells:
    """Reads the text of a row from one column, or from several by a template."""

    table: Table
    template: str
    names: Sequence[str]
    plain: bool

    def __len__(self) -> int:
        return self.table.length

    def __getitem__(self, row: int) -> str:
        cells = self.table.cells(row, self.names)
        if self.plain:
            text = cells[self.names[0]]
            if not isinstance(text, str):
                raise SampleError(f"{self.names[0]!r} is {_said(text)}, not text")
            return text
        try:
            return _FILLED.vformat(self.template, (), cells)
        except (LookupError, TypeError, ValueError) as problem:
            raise SampleError(f"the template {self.template!r} does not fit: {problem}") from None


class _Filled(string.Formatter):
    """Fills a template; what is missing is an error, and not the word None."""

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        found, key = super().get_field(field_name, args, kwargs)
        if found is None:
            raise LookupError(f"{field_name!r} is missing")
        return found, key


_FILLED = _Filled()


@dataclass(frozen=True)
class PairCells:
    """Reads prompt and answer of a row."""

    prompt: TextCells
    answer: TextCells

    def __len__(self) -> int:
        return len(self.prompt)

    def __getitem__(self, row: int) -> tuple[str, str]:
        return self.prompt[row], self.answer[row]


@dataclass(frozen=True)
class ImageCells:
    """Reads the image of a row: encoded bytes, a path, or an image that is decoded already."""

    table: Table
    name: str

    def __len__(self) -> int:
        return self.table.length

    def __getitem__(self, row: int) -> Any:
        cell = self.table.cells(row, [self.name])[self.name]
        if isinstance(cell, Mapping):
            cell = cell.get("bytes") or cell.get("path")
        if isinstance(cell, str):
            path = Path(cell)
            path = (
                path
                if path.is_absolute() or self.table.folder is None
                else (self.table.folder / path)
            )
            return read_image(path)
        if isinstance(cell, bytes):
            return read_image(cell)
        if cell is None:
            raise SampleError(f"{self.name!r} holds no image")
        return cell


def table_source(
    table: Table, choice: SampleColumns, find_revision: Callable[[], str], split: str
) -> DataSource:
    """Return the samples in the rows of a table."""
    readers, used = _readers(table, choice)
    ids = _named(table, choice.id, ID_NAMES)
    label = _named(table, choice.label, _LABELS)
    metadata = _metadata(table, choice, {*used, ids, label})
    return DataSource(
        name=table.name,
        written=table.where,
        ids=np.arange(table.length) if ids is None else _ids(table, ids),
        readers=readers,
        find_revision=find_revision,
        split=split,
        labels=None if label is None else np.asarray(_complete(table, label)),
        columns={name: np.asarray(cells) for name, cells in metadata.items()},
    )


def _readers(table: Table, choice: SampleColumns) -> tuple[dict[str, Reader], set[str]]:
    readers: dict[str, Reader] = {}
    image = choice.image
    if image is None and choice.column is None and choice.template is None:
        image = first_known(table.names, IMAGE_NAMES)
    if image is not None:
        readers["image"] = ImageCells(table, _known(table, image, "image"))
    text = _text(table, choice, required=not readers)
    if text is not None:
        protein = text.plain and text.names[0] in SEQUENCE_NAMES
        answer = None if choice.answer is None else _answer(table, choice.answer)
        pairs = text if answer is None else PairCells(text, answer)
        readers[choice.modality or ("protein" if protein else "text")] = pairs
    used = {name for name in (image,) if name is not None}
    return readers, used | (set(text.names) if text is not None and text.plain else set())


def _text(table: Table, choice: SampleColumns, required: bool) -> TextCells | None:
    if choice.template is not None:
        if choice.column is not None:
            raise InvalidParameterError(
                f"{table.where}: column={choice.column!r} and template={choice.template!r} were "
                "both given: choose one"
            )
        names = _fields(table, choice.template)
        return TextCells(table, choice.template, names, plain=False)
    column = choice.column or first_known(table.names, (*TEXT_NAMES, *SEQUENCE_NAMES))
    if column is None and required:
        column = _only_text(table)
    if column is None:
        return None
    return TextCells(table, "", [_known(table, column, "column")], plain=True)


def _answer(table: Table, given: str) -> TextCells:
    if "{" in given:
        return TextCells(table, given, _fields(table, given), plain=False)
    return TextCells(table, "", [_known(table, given, "answer")], plain=True)


def _fields(table: Table, template: str) -> list[str]:
    try:
        parsed = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as problem:
        raise InvalidParameterError(f"template {template!r}: {problem}") from None
    names = [name.partition("[")[0] for name in parsed]
    if not names or "" in names or any("." in name for name in parsed):
        raise InvalidParameterError(
            f"template {template!r}: name columns in braces, e.g. '{{{table.names[0]}}}', or an "
            "item of one, '{choices[0]}'"
        )
    return list(dict.fromkeys(_known(table, name, "template") for name in names))


def _only_text(table: Table) -> str:
    others = {*ID_NAMES, *_LABELS}
    texts = [
        name
        for name in table.names
        if name not in others and table.length and isinstance(table.cells(0, [name])[name], str)
    ]
    if len(texts) != 1:
        raise InvalidParameterError(
            f"{table.where}: which column is the content? It has {', '.join(table.names)}: "
            "give column=, template= or image="
        )
    return texts[0]


def _named(table: Table, given: str | None, usual: tuple[str, ...]) -> str | None:
    if given == _NONE:
        return None
    return first_known(table.names, usual) if given is None else _known(table, given, "option")


def _known(table: Table, name: str, what: str) -> str:
    if name not in table.names:
        raise InvalidParameterError(
            f"{table.where} has no column {name!r} ({what}): {did_you_mean(name, table.names)}"
        )
    return name


def _ids(table: Table, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(_complete(table, name))


def _complete(table: Table, name: str) -> list[Any]:
    cells = list(table.column(name))
    for row, cell in enumerate(cells):
        if cell is None or cell == _NONE or cell != cell:
            raise InvalidParameterError(
                f"{table.where}: row {row} has no {name!r}: fill it, or choose another column"
            )
    return cells


def _metadata(
    table: Table, choice: SampleColumns, used: set[str | None]
) -> dict[str, Sequence[Any]]:
    if choice.columns is not None:
        given = choice.columns.split(",") if isinstance(choice.columns, str) else choice.columns
        names = [_known(table, name.strip(), "columns") for name in given if name.strip()]
        return {name: table.column(name) for name in names}
    rest = [name for name in table.names if name not in used]
    return {name: cells for name in rest if _are_scalars(cells := table.column(name))}


def _are_scalars(cells: Sequence[Any]) -> bool:
    """Whether they are numbers or short text, which travel along unless others are named."""
    return all(cell is None or isinstance(cell, _SCALARS) for cell in cells) and not any(
        isinstance(cell, str) and len(cell) > _SHORT_TEXT for cell in cells
    )


def _said(cell: Any) -> str:
    return "missing" if cell is None else f"a {type(cell).__name__}"
