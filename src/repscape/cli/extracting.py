"""The representations of what is named on the command line: a file, or a model on data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from repscape.cli import sources
from repscape.cli.output import note

if TYPE_CHECKING:
    from repscape.data.source import DataSource
    from repscape.representation import Representation
    from repscape.store import Store

_MOST_SHOWN = 5


@dataclass(frozen=True)
class Extracting:
    """How the representations of models are made."""

    data: DataSource
    model_options: list[str] | None
    layers: list[str]
    pooling: str
    store: Path | None
    on_error: str
    batch_size: int | None
    device: str | None
    devices: list[str] | str | None

    def layers_of(self, name: str) -> dict[str, Representation]:
        """The layers by `model:layer`: those asked for, or the last; or what is in a file."""
        from repscape.data.files import load
        from repscape.extract.extract import extract
        from repscape.store import Store

        if Path(name.partition("::")[0]).is_file():
            return {name: load(name)}
        model = sources.open_model(name, self.model_options, "cpu" if self.devices else self.device)
        with sources.progress(name, self.data.name) as progress, skipped_as_notes():
            found = extract(
                model,
                self.data,
                self.layers or model.layers()[-1:],
                self.pooling,
                store=None if self.store is None else Store(self.store),
                batch_size=self.batch_size,
                on_error=self.on_error,
                devices=self.devices,
                progress=progress,
            )
        if self.store is not None:
            note_skipped(next(iter(found.values())), Store(self.store))
        return {f"{name}:{layer}": rep for layer, rep in found.items()}


def note_skipped(rep: Representation, store: Store) -> None:
    """Say on standard error which samples were left out of a stored representation, and why."""
    skipped: dict[str, str] = store.manifest(rep.key or "").beside.get("skipped", {})
    for reason in list(skipped.values())[:_MOST_SHOWN]:
        note(f"skipped: {reason}")
    if len(skipped) > _MOST_SHOWN:
        note(f"skipped: {len(skipped) - _MOST_SHOWN} more samples")


@contextmanager
def skipped_as_notes() -> Iterator[None]:
    """Let warnings that samples were left out be lines for the user; others are as they are."""
    from repscape.extract.skipping import SkippedSamplesWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", SkippedSamplesWarning)
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, SkippedSamplesWarning):
                note(str(message))
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
