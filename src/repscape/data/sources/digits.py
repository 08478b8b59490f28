"""`digits`: the handwritten digits that ship inside scikit-learn."""

from __future__ import annotations

from repscape.data.digits import digits
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource


@data_scheme("digits", "digits", "1,797 handwritten digits, built in")
def open_digits(
    location: str = "", *, split: str = "all", held_out: float = 0.25, seed: int = 0
) -> DataSource:
    """The digits as images (1, 8, 8) in [0, 1]; options and ids as in `repscape.data.digits`."""
    data = digits(split, held_out=held_out, seed=seed)
    return DataSource(
        name="digits",
        ids=data.ids,
        readers={"image": data.inputs},
        find_revision=lambda: data.revision,
        split=data.split,
        labels=data.labels,
    )
