"""The representations of what is named on the command line: a file, or a model on data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.cli import sources

if TYPE_CHECKING:
    from repscape.data.source import DataSource
    from repscape.representation import Representation


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
        with sources.progress(name, self.data.name) as progress:
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
        return {f"{name}:{layer}": rep for layer, rep in found.items()}
