"""Products: an entry with `each` becomes one entry for every combination."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from repscape.errors import did_you_mean
from repscape.studies.yaml_file import Source

_PLACE = re.compile(r"\{([A-Za-z_]\w*)\}")


def expand(
    source: Source, entry: Mapping[str, Any], path: Sequence[str | int]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each combination of `entry["each"]`, and the entry with it put in.

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
    named = _check_names(source, rest, each, list(path)) if each else set()
    for name in each:
        if name not in named:
            raise source.error(
                [*path, "each", name], f"nothing says {{{name}}}: put it into a text of this entry"
            )
    for combination in product(*each.values()):
        values = dict(zip(each, combination, strict=True))
        yield values, {key: _put(value, values) for key, value in rest.items()}


def _check_names(source: Source, value: Any, each: Mapping[str, Any], path: list[Any]) -> set[str]:
    if isinstance(value, str):
        names = set(_PLACE.findall(value))
        for name in names - each.keys():
            raise source.error(path, f"each has no {name!r}: {did_you_mean(name, each)}")
        return names
    if isinstance(value, Mapping):
        parts = [_check_names(source, part, each, [*path, key]) for key, part in value.items()]
        return set().union(*parts)
    if isinstance(value, (list, tuple)):
        parts = [_check_names(source, part, each, [*path, i]) for i, part in enumerate(value)]
        return set().union(*parts)
    return set()


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
