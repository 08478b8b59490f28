"""`Score`: one number that says what it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """The outcome of one comparison.

    Attributes
    ----------
    value : float
        The number; `float(score)` is the same.
    measure : str
        The printable name: transforms, measure, every parameter that changes it, version.
    kind : str
        `"similarity"`: larger is more alike; `"distance"`: smaller is more alike.
    n : int
        The number of samples compared.
    """

    value: float
    measure: str
    kind: str
    n: int

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.measure} = {self.value:.6g}  (n={self.n}, {self.kind})"
