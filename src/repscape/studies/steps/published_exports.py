"""Representations of language models from the Arrow exports of Klabunde et al. (2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from repscape.data.digests import value_revision
from repscape.data.representation_exports import (
    ZERO_SHOT,
    Export,
    Strategy,
    find_export,
    load_export,
    read_export_info,
)
from repscape.representation import Representation
from repscape.studies.steps.base import READERS, Options, Reader


class ExportOptions(Options):
    """Where the exports are, and which one."""

    root: str = Field(
        default="data/representations/llm-7b-eval",
        description="folder with one folder for each model and data set",
    )
    model: str = Field(description="as in the description of the export, e.g. llama-7b")
    strategy: Strategy = Field(default="final_token", description="final_token or mean")
    containing: tuple[str, ...] = Field(
        default=ZERO_SHOT, description="texts that the path of a folder contains"
    )


def look(options: ExportOptions, data: str) -> Export:
    """What the folder of an export says of itself, if all its shards are there."""
    return read_export_info(find_export(options.root, options.model, data, options.containing))


def _load(options: ExportOptions, data: str) -> Representation:
    return load_export(look(options, data).folder, options.strategy)


def revision(options: ExportOptions, data: str) -> str:
    """A digest of the values that are read: final tokens are few, so this is quick."""
    rep = _load(options, data)
    values = np.ascontiguousarray(np.asarray(rep.values))
    return value_revision([values.tobytes()], shape=list(values.shape), strategy=options.strategy)


def read(options: Mapping[str, Any], data: str) -> dict[str, Representation]:
    """The one layer of an export."""
    rep = _load(ExportOptions(**options), data)
    return {str(rep.origin.layer): rep}


READERS.register(
    Reader(
        name="published_exports",
        summary="final prompt tokens of language models, from published Arrow files",
        options=ExportOptions,
        revision=revision,
        read=f"{__name__}:read",
        look=look,
    )
)
