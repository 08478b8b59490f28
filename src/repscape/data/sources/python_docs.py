"""`python-docs`: sentences, or blocks of code, of the documentation that ships inside Python."""

from __future__ import annotations

import numpy as np

from repscape.data.digests import value_revision
from repscape.data.load_data import data_scheme
from repscape.data.python_docs import prompts
from repscape.data.source import DataSource


@data_scheme("python-docs", "python-docs", "sentences or code of Python's documentation, built in")
def open_python_docs(
    location: str = "",
    *,
    kind: str = "prose",
    split: str = "held_out",
    held_out: float = 0.5,
    seed: int = 0,
) -> DataSource:
    """Texts labelled by their topic; options as in `repscape.data.python_docs.prompts`."""
    found = prompts(kind, split, held_out=held_out, seed=seed)
    part = split if split == "all" else f"{split}[held_out={held_out},seed={seed}]"
    return DataSource(
        name=f"python-docs-{kind}",
        ids=np.asarray([piece.id for piece in found]),
        readers={"text": [piece.text for piece in found]},
        find_revision=lambda: value_revision([f"{p.id}\x1f{p.text}" for p in found]),
        split=part,
        labels=np.asarray([piece.topic for piece in found]),
    )
