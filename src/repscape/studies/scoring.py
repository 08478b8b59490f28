"""`Scoring`: one measure over the representations of one data set, before it becomes tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repscape.studies.estimate import Size
    from repscape.studies.pairs import Pairs
    from repscape.studies.phases import Extraction
    from repscape.studies.study import Study


@dataclass(frozen=True)
class Scoring:
    """One measure, with one pooling, over what was extracted on one data set.

    Attributes
    ----------
    study : Study
    family : mapping
        What all its recipes state: measure, pooling, which pairs, how samples are aligned, null.
    by_key : mapping of key to Extraction
        The extractions of this study; a part may hold keys of models that have left it.
    size_of : callable
        Samples and widths of an extraction, if they are known.
    """

    study: Study
    family: Mapping[str, Any]
    by_key: Mapping[str, Extraction]
    size_of: Callable[[Extraction], Size | None]

    @property
    def measure(self) -> str:
        """Its printable name."""
        return str(self.family["measure"])

    @property
    def arguments(self) -> dict[str, Any]:
        """What its tasks need that does not determine their bytes."""
        settings = self.study.file.compare
        return {"memory_limit": settings.memory_limit, "device": settings.device}

    def extractions(self, part: Pairs) -> dict[str, Extraction]:
        """Those of a part that are of this study, by key, in the part's order."""
        return {key: self.by_key[key] for key in part.keys if key in self.by_key}
