"""Synthetic protein families: sequences that descend from random ancestors by known rules.

They stand in where no real proteins are at hand. Every family has an ancestor, drawn residue by
residue from the composition of real proteins; each member is the ancestor after substitutions
(mostly by a residue of similar chemistry), deletions and insertions. So the family of a sequence
is known exactly, as the superfamily of a real one is known from its structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repscape.errors import InvalidParameterError

RESIDUES = "ARNDCQEGHILKMFPSTWYV"
# Robinson and Robinson 1991, Proc. Natl. Acad. Sci. 88, 8880: frequencies in real proteins.
_FREQUENCIES = (
    *(0.078, 0.051, 0.045, 0.054, 0.019, 0.043, 0.063, 0.074, 0.022, 0.051),
    *(0.091, 0.057, 0.022, 0.039, 0.052, 0.071, 0.058, 0.013, 0.032, 0.064),
)
_CHEMISTRY = ("AGSTP", "VILMC", "FWY", "DENQ", "KRH")
_SIMILAR = 0.7
_INDEL = 0.04


@dataclass(frozen=True)
class Protein:
    """One sequence, and the family that it belongs to."""

    id: str
    sequence: str
    family: str


def protein_families(
    families: int = 20,
    members: int = 15,
    *,
    divergence: float = 0.5,
    lengths: tuple[int, int] = (30, 60),
    seed: int = 0,
) -> list[Protein]:
    """Draw families of related sequences; the same arguments give the same sequences.

    Parameters
    ----------
    families, members : int
        How many families, and sequences in each.
    divergence : float
        The expected fraction of residues of an ancestor that a member has replaced.
    lengths : pair of int
        The shortest and the longest ancestor.
    seed : int
    """
    if families < 1 or members < 1 or not 0.0 <= divergence <= 1.0:
        raise InvalidParameterError(
            f"families={families}, members={members}, divergence={divergence}: give at least one "
            "of each and a divergence from 0 to 1"
        )
    rng = np.random.default_rng(seed)
    frequencies = np.asarray(_FREQUENCIES) / sum(_FREQUENCIES)
    found = []
    for family in range(families):
        length = int(rng.integers(lengths[0], lengths[1] + 1))
        ancestor = "".join(rng.choice(list(RESIDUES), size=length, p=frequencies))
        for member in range(members):
            sequence = _descendant(ancestor, divergence, frequencies, rng)
            found.append(Protein(f"family{family:03d}/{member:03d}", sequence, f"{family:03d}"))
    return found


def _descendant(
    ancestor: str, divergence: float, frequencies: np.ndarray, rng: np.random.Generator
) -> str:
    residues: list[str] = []
    for residue in ancestor:
        event = rng.random()
        if event < _INDEL / 2:
            continue
        if event < _INDEL:
            residues.append(str(rng.choice(list(RESIDUES), p=frequencies)))
        residues.append(
            _substituted(residue, frequencies, rng) if rng.random() < divergence else residue
        )
    return "".join(residues) or ancestor


def _substituted(residue: str, frequencies: np.ndarray, rng: np.random.Generator) -> str:
    kin = next(group for group in _CHEMISTRY if residue in group)
    pool = kin if rng.random() < _SIMILAR else RESIDUES
    weights = np.asarray([frequencies[RESIDUES.index(each)] for each in pool])
    return str(rng.choice(list(pool), p=weights / weights.sum()))
