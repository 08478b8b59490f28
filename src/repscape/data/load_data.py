"""`load_data`: a data set by its name, `scheme:location`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

_PACKAGE = "repscape.data.sources"


@dataclass(frozen=True)
class Scheme:
    """One kind of data source: how it is written, what it is, and what opens it."""

    name: str
    example: str
    summary: str
    open: Callable[..., DataSource]
    also: type | None = None

    @property
    def options(self) -> list[str]:
        """The names of the options that it takes."""
        own = [p.name for p in _parameters(self.open) if p.kind is not p.VAR_KEYWORD]
        return own[1:] + ([field.name for field in fields(self.also)] if self.also else [])


_SCHEMES: dict[str, Scheme] = {}


def data_scheme(
    name: str, example: str, summary: str, also: type | None = None
) -> Callable[[Callable[..., DataSource]], Callable[..., DataSource]]:
    """Register a function that opens a data source: `open(location, **options)`.

    A module in `repscape/data/sources` that does so is found by itself. Options are its keyword
    arguments, and the fields of the dataclass `also`, if one is named.
    """

    def register(function: Callable[..., DataSource]) -> Callable[..., DataSource]:
        _SCHEMES[name] = Scheme(name, example, summary, function, also)
        return function

    return register


@cache
def schemes() -> dict[str, Scheme]:
    """All kinds of data sources by their name."""
    for module in pkgutil.iter_modules(importlib.import_module(_PACKAGE).__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")
    return dict(sorted(_SCHEMES.items()))


def load_data(
    data: str | DataSource | Iterable[Any], *, revision: str | None = None, **options: Any
) -> DataSource:
    """Open a data set by its name.

    Parameters
    ----------
    data : str or iterable
        `digits`; `folder:PATH` (images in a folder per class, or text files), `hf:NAME`
        (a data set of the Hugging Face hub, or one saved to a folder), `wds:PATH` (webdataset
        tars), `jsonl:PATH`, `csv:PATH`, `parquet:PATH`, `npy:PATH`, `fasta:PATH` (proteins),
        `torchvision:NAME`. Or any iterable of texts, images or arrays, of
        `(id, content)` or `(id, content, label)`, or of `Sample`; it is read into memory.
    revision : str, optional
        The content revision. By default it is found by itself: a commit, or a digest of the
        files (all of which are then read once, when it is first needed).
    **options
        Of the kind of source; `repscape.data.load_data.schemes()` lists them, and the
        functions in `repscape.data.sources` describe them.

    Returns
    -------
    DataSource

    Raises
    ------
    UnknownNameError
        If there is no such kind of source.
    InvalidParameterError
        If an option does not exist, or its value is not allowed.
    UnreadableFileError
        If a file is missing or not what its name says.
    MissingExtraError
        If an optional package is missing.
    """
    if isinstance(data, str):
        return _open(data, revision, options)
    if isinstance(data, DataSource):
        _check("a DataSource", options, [])
        source = data
    else:
        from repscape.data.sources.iterable import from_iterable

        _check("an iterable", options, [p.name for p in _parameters(from_iterable)][1:])
        source = from_iterable(data, **options)
    return _as_revision(source, revision)


def check_name(name: str, options: dict[str, Any]) -> tuple[Scheme, str]:
    """The kind of source that a name and options are for, and where the data are.

    Nothing is opened: raises `UnknownNameError` if there is no such kind, and
    `InvalidParameterError` if the place is missing or there is no such option.
    """
    kind, colon, location = name.partition(":")
    if kind not in schemes():
        raise UnknownNameError(f"data {name!r}: {_mend(kind, colon, name)}")
    scheme = schemes()[kind]
    if not location and ":" in scheme.example:
        raise InvalidParameterError(f"data {name!r}: say which, e.g. {scheme.example!r}")
    _check(f"data {name!r}", options, scheme.options)
    return scheme, location


def _open(name: str, revision: str | None, options: dict[str, Any]) -> DataSource:
    scheme, location = check_name(name, options)
    if "revision" in scheme.options:  # a branch or commit to load
        return scheme.open(location, revision=revision, **options)
    return _as_revision(scheme.open(location, **options), revision)


def _as_revision(source: DataSource, revision: str | None) -> DataSource:
    return source if revision is None else replace(source, find_revision=lambda: revision)


def _parameters(function: Callable[..., DataSource]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _check(what: str, options: dict[str, Any], known: list[str]) -> None:
    for option in options:
        if option not in known:
            mend = did_you_mean(option, known) if known else "it takes no options"
            raise InvalidParameterError(f"{what} has no option {option!r}: {mend}")


def _mend(kind: str, colon: str, name: str) -> str:
    examples = ", ".join(repr(scheme.example) for scheme in schemes().values())
    if colon:
        return f"there is no {kind + ':'!r}; {did_you_mean(kind, schemes())} Written as {examples}"
    if any(mark in name for mark in "/\\."):
        suffix = name.rpartition(".")[2].lower()
        kind = suffix if suffix in schemes() else "folder"
        return f"say what it is: {kind + ':' + name!r}; written as {examples}"
    return f"{did_you_mean(kind, schemes())} Written as {examples}"
