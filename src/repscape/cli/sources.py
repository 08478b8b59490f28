"""Options of the commands that load a model and data, and what becomes of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    from repscape.data.source import DataSource
    from repscape.extract.loop import Progress
    from repscape.extract.models.base import LoadedModel

_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?\d+\.\d+")


class OnError(StrEnum):
    """What becomes of a sample that cannot be read or prepared."""

    stop = "stop"
    skip = "skip"


class OutputType(StrEnum):
    """In what the rows are kept."""

    float32 = "float32"
    float16 = "float16"


ModelOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An option of the model, e.g. dtype=bfloat16."),
]
DataOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An option of the data, e.g. split=test, column=text."),
]
Layers: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--layers",
        "-l",
        metavar="NAME",
        help="A layer or glob, 'block.*', '!name' to leave out; several at once.",
    ),
]
PoolingName: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--pooling", "-p", metavar="NAME", help="mean, last_token, cls, none, …; several at once."
    ),
]
First: TypeAlias = Annotated[int | None, typer.Option(help="Only the first N samples.")]
Random: TypeAlias = Annotated[int | None, typer.Option(help="Only N samples, drawn by a hash.")]
PerClass: TypeAlias = Annotated[int | None, typer.Option(help="Only N samples of each class.")]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of --random and --per-class.")]
BatchSize: TypeAlias = Annotated[
    int | None, typer.Option(help="Samples of a batch, 64 if not given; halved if too large.")
]
Workers: TypeAlias = Annotated[int | None, typer.Option(help="Threads that prepare samples.")]
Device: TypeAlias = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, …; by default a GPU if there is one.")
]
Devices: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="One process on each, e.g. cuda:0,cuda:1; by default all GPUs if there are several.",
    ),
]
Bad: TypeAlias = Annotated[OnError, typer.Option(help="If a sample cannot be read or prepared.")]


def options_of(given: Sequence[str] | None, of: str) -> dict[str, Any]:
    """Split NAME=VALUE, with values as Python's; `of` is the option, for messages."""
    options: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidParameterError(f"{of} {text!r}: write NAME=VALUE, e.g. split=test")
        options[name.strip()] = _value(value)
    return options


def _value(text: str) -> Any:
    """A whole number, a decimal number, true or false; anything else is text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def split_names(given: Sequence[str] | None) -> list[str]:
    """The names in options that may be given several times, or hold commas."""
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]


def open_data(
    name: str,
    options: Sequence[str] | None,
    first: int | None,
    random: int | None,
    per_class: int | None,
    seed: int,
) -> DataSource:
    """Open a data set and take the subset that was asked for."""
    from repscape.data.load_data import load_data

    source = load_data(name, **options_of(options, "--data-option"))
    if first is None and random is None and per_class is None:
        return source
    return source.subset(first=first, random=random, per_class=per_class, seed=seed)


def open_model(name: str, options: Sequence[str] | None, device: str | None) -> LoadedModel:
    """Load a model by its name."""
    from repscape.extract.models.base import load_model

    given = {} if device is None else {"device": device}
    return load_model(name, **given, **options_of(options, "--model-option"))


def chosen_devices(device: str | None, devices: str | None) -> list[str] | str | None:
    """On which devices there shall be a process each, or None to run in this process."""
    from repscape.extract.devices import several_devices

    if device is not None and devices is not None:
        raise InvalidParameterError(f"--device {device} and --devices {devices}: give one of them")
    if devices is None:
        return None if device is not None else several_devices()
    return "all" if devices == "all" else split_names([devices])


@contextmanager
def progress(model: str, data: str) -> Iterator[Progress | None]:
    """A progress bar where people look at it, with names short enough for its line."""
    if not sys.stderr.isatty():
        yield None
        return
    from repscape.extract.progress import progress_bar

    with progress_bar(f"{model.rstrip('/').rpartition('/')[2]} on {data}") as show:
        yield show
