"""Products: an entry with `each` becomes one entry for every combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from repscape.errors import did_you_mean
from repscape.studies.yaml_file import Path_, Source

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Expanded:
    """One combination of the values of `each`, the entry with it put in, and where it is from.

    `places` says of the parts of the entry that one of the values was put into where that stands.
    """

    values: dict[str, Any]
    content: dict[str, Any]
    places: Mapping[Path_, str]


def expand(
    source: Source, entry: Mapping[str, Any], path: Sequence[str | int]
) -> Iterator[Expanded]:
    """Yield the entry with each combination of `entry["each"]` put in.

    `{size}` stands for one of `each: {size: […]}` in every text of the entry; a text that is
    nothing else becomes the value itself, with its type.

    Raises
    ------
    StudyError
        If a text names what `each` does not have, or `each` has what no text names.
    """
    each = entry.get("each") or {}
    rest = {key: value for key, value in entry.items() if key != "each"}
    for name, values in each.items():
        if not values:
            raise source.error([*path, "each", name], f"{name!r} has no values: give at least one")
    named = _check_names(source, rest, each, tuple(path)) if each else {}
    for name in each:
        if not any(name in names for names in named.values()):
            raise source.error(
                [*path, "each", name], f"nothing says {{{name}}}: put it into a text of this entry"
            )
    single = {part: next(iter(names)) for part, names in named.items() if len(names) == 1}
    for combination in product(*(enumerate(values) for values in each.values())):
        chosen = dict(zip(each, combination, strict=True))
        values = {name: value for name, (_, value) in chosen.items()}
        yield Expanded(
            values,
            {key: _put(value, values) for key, value in rest.items()},
            {
                part: source.place([*path, "each", name, chosen[name][0]])
                for part, name in single.items()
            },
        )


def _check_names(
    source: Source, value: Any, each: Mapping[str, Any], path: Path_
) -> dict[Path_, set[str]]:
    """The names in each text inside a value, by its place; refused if `each` has no such name."""
    if isinstance(value, str):
        names = set(_PLACE.findall(value))
        for name in names - each.keys():
            raise source.error(path, f"each has no {name!r}: {did_you_mean(name, each)}")
        return {path: names} if names else {}
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        parts += value.items()
    elif isinstance(value, (list, tuple)):
        parts += enumerate(value)
    found: dict[Path_, set[str]] = {}
    for key, part in parts:
        found |= _check_names(source, part, each, (*path, key))
    return found


def _put(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        if whole and whole[1] in values:
            return values[whole[1]]
        return _PLACE.sub(lambda found: str(values.get(found[1], found[0])), value)
    if isinstance(value, Mapping):
        return {key: _put(part, values) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_put(part, values) for part in value]
    return value
