"""The sets of measures that published studies used, by name, so that a table can be redone.

A set holds printable names of this Repscape. Preprocessing that a study's code does silently is
a transform in the name; a step that does not change a measure (unit norm before a rank
correlation, unit rows before cosine neighbours) is left out, so that one number has one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from repscape.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Paper:
    """The measures that a study used.

    Attributes
    ----------
    title, authors, reference : str
        What to cite.
    measures : tuple of str
        Canonical printable names, in the study's order.
    left_out : mapping of str to str
        What the study used besides, and why it is not in `measures`.
    """

    title: str
    authors: str
    reference: str
    measures: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


PAPERS: Mapping[str, Paper] = {}


def get_paper(name: str) -> Paper:
    """Return the study called `name`; raise `UnknownNameError` with near matches otherwise."""
    if name not in PAPERS:
        raise UnknownNameError(f"no paper is called {name!r}: {did_you_mean(name, PAPERS)}")
    return PAPERS[name]
