"""`load_data`: a data set by its name, `scheme:location`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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

    @property
    def options(self) -> list[str]:
        """The names of the options that it takes."""
        return list(inspect.signature(self.open).parameters)[1:]


_SCHEMES: dict[str, Scheme] = {}


def data_scheme(
    name: str, example: str, summary: str
) -> Callable[[Callable[..., DataSource]], Callable[..., DataSource]]:
    """Register a function that opens a data source: `open(location, **options)`.

    A module in `repscape/data/sources` that does so is found by itself.
    """

    def register(function: Callable[..., DataSource]) -> Callable[..., DataSource]:
        _SCHEMES[name] = Scheme(name, example, summary, function)
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
    if isinstance(data, DataSource):
        source = _call(lambda given: given, data, "a DataSource", options)
    elif isinstance(data, str):
        source = _open(data, options)
    else:
        from repscape.data.sources.iterable import from_iterable

        source = _call(from_iterable, data, "an iterable", options)
    return source if revision is None else replace(source, find_revision=lambda: revision)


def _open(name: str, options: dict[str, Any]) -> DataSource:
    kind, colon, location = name.partition(":")
    if kind not in schemes():
        raise UnknownNameError(f"data {name!r}: {_mend(kind, colon, name)}")
    scheme = schemes()[kind]
    if not location and ":" in scheme.example:
        raise InvalidParameterError(f"data {name!r}: say which, e.g. {scheme.example!r}")
    return _call(scheme.open, location, name, options)


def _call(function: Callable[..., DataSource], first: Any, name: str, options: Any) -> DataSource:
    known = list(inspect.signature(function).parameters)[1:]
    for option in options:
        if option not in known:
            mend = did_you_mean(option, known) if known else "it takes no options"
            raise InvalidParameterError(f"data {name!r} has no option {option!r}: {mend}")
    return function(first, **options)


def _mend(kind: str, colon: str, name: str) -> str:
    examples = ", ".join(repr(scheme.example) for scheme in schemes().values())
    if colon:
        return f"there is no {kind + ':'!r}; {did_you_mean(kind, schemes())} Written as {examples}"
    if any(mark in name for mark in "/\\."):
        return f"say what it is: 'folder:{name}', 'jsonl:{name}', …; there are {examples}"
    return f"{did_you_mean(kind, schemes())} Written as {examples}"
