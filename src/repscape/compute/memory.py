"""Memory budgets: `memory_limit` bounds what a computation holds beyond its inputs."""

from __future__ import annotations

import re

from repscape.errors import InvalidParameterError

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[f"{_letter}ib"] = 1024**_power
    _UNITS[f"{_letter}b"] = 1000**_power

DEFAULT_MEMORY_LIMIT = "2GiB"


def parse_bytes(limit: str | float, name: str = "memory_limit") -> int:
    """Read a memory limit: a number of bytes, or text such as `"500MB"` or `"2GiB"`.

    An error calls it by `name`, which is how the user did.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", str(limit))
    unit = match[2].lower() if match else ""
    if match is None or unit not in _UNITS or float(match[1]) <= 0:
        raise InvalidParameterError(
            f"{name}={limit!r}: write a positive number of bytes, or e.g. '500MB' or '2GiB'"
        )
    return int(float(match[1]) * _UNITS[unit])


def show_bytes(count: float) -> str:
    """Print a number of bytes as a person would: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


class Spare:
    """Memory that a budget has left, for what saves work later but need not be held."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, size: int) -> bool:
        """Whether that many bytes are left; if so, they are taken."""
        if size > self.left:
            return False
        self.left -= size
        return True
