"""What pydantic finds wrong, in the words of a study file: the line, what is wrong, the mend."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ValidationError

from repscape.errors import StudyError, did_you_mean
from repscape.studies.yaml_file import Source, unknown_key

Path = Sequence[str | int]

_KEY = "[key]"  # what pydantic appends where the key itself is wrong
_CHOICES = re.compile(r"\^\(([\w|]+)\)\$")
_MENDS = {
    "string_type": "give text; quote it where YAML would read a number, true or a list",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "float_parsing": "give a number",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "list_type": "give a list: [a, b]",
    "tuple_type": "give a list: [a, b]",
    "dict_type": "give a mapping of names to values",
    "model_type": "give a mapping of keys to values",
    "model_attributes_type": "give a mapping of keys to values",
    "too_short": "give at least one",
}


def check(source: Source, schema: type[BaseModel], content: Any, path: Path = ()) -> Any:
    """The content as the schema's object.

    Raises
    ------
    StudyError
        With one line for each thing that is wrong: place, what, and the mend.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as found:
        lines = dict.fromkeys(_lines(source, schema, found, path))
        raise StudyError("\n".join(lines)) from None


class Problems:
    """What is wrong with a study file, collected so that all of it is said at once."""

    def __init__(self) -> None:
        self.lines: dict[str, None] = {}

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note a `StudyError` that is raised inside, and go on after the block."""
        try:
            yield
        except StudyError as problem:
            self.lines |= dict.fromkeys(str(problem).splitlines())

    def raise_all(self) -> None:
        """Raise one `StudyError` with a line for each, in the order of the file, if any."""
        if self.lines:
            raise StudyError("\n".join(sorted(self.lines, key=_place_of)))


def _place_of(line: str) -> tuple[int, int]:
    found = re.search(r":(\d+):(\d+): ", line)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_parts(
    source: Source, schema: type[BaseModel], stand_ins: Mapping[str, Any], problems: Problems
) -> tuple[Any, set[tuple[str | int, ...]]]:
    """The content as the schema's object, as far as it is right, and which parts are not.

    A key that is wrong is left out; where the schema wants it, or an entry of such a list is
    wrong, a stand-in takes its place. What is wrong is noted in `problems`.
    """
    try:
        return schema.model_validate(source.content), set()
    except ValidationError as found:
        problems.lines |= dict.fromkeys(_lines(source, schema, found, ()))
        broken = {_part(source, error["loc"], stand_ins) for error in found.errors()}
    content = dict(source.content)
    for key, *position in sorted(broken, key=len, reverse=True):
        if position:
            content[str(key)] = [
                stand_ins[str(key)][0] if at in position else entry
                for at, entry in enumerate(content[str(key)])
            ]
        elif key in stand_ins:
            content[str(key)] = stand_ins[str(key)]
        else:
            content.pop(str(key), None)
    return schema.model_validate(content), broken


def _part(source: Source, loc: Path, stand_ins: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The key that holds a place, or the entry of a list that has a stand-in."""
    inner = _real(source, (), [part for part in loc if part != _KEY])
    if not inner:
        return (loc[0],)
    if inner[0] in stand_ins and len(inner) > 1 and isinstance(inner[1], int):
        return inner[:2]
    return inner[:1]


def _lines(
    source: Source, schema: type[BaseModel], found: ValidationError, path: Path
) -> Iterable[str]:
    seen: set[tuple[str | int, ...]] = set()
    for error in found.errors(include_url=False):
        if error["type"] == "too_short" and error.get("input"):
            continue  # what stands in the list is wrong, and said so
        inner = _real(source, path, [part for part in error["loc"] if part != _KEY])
        if inner in seen and error["type"] != "extra_forbidden":
            continue  # another member of a union says the same
        seen.add(inner)
        yield f"{source.place([*path, *inner])}: {_message(schema, error, inner)}"


def quoted_key(given: Mapping[str, Any], message: str) -> Path:
    """The one key whose text a message about the whole mapping quotes, if there is just one."""
    named = [
        key for key, value in given.items() if isinstance(value, str) and repr(value) in message
    ]
    return named if len(named) == 1 else ()


def _real(source: Source, path: Path, loc: Path) -> tuple[str | int, ...]:
    """The location without the names of union members, which the file does not hold."""
    kept: list[str | int] = []
    value = _value(source.content, path)
    for position, part in enumerate(loc):
        if _holds(value, part):
            value = value[part]
        elif position == len(loc) - 1 and isinstance(value, Mapping):
            value = None  # a key that is missing
        else:
            continue
        kept.append(part)
    return tuple(kept)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _value(content: Any, path: Path) -> Any:
    for part in path:
        content = content[part]
    return content


def _message(schema: type[BaseModel], error: Any, path: Path) -> str:
    kind, given = error["type"], error.get("input")
    name = str(path[-1]) if path else "the study"
    if kind == "extra_forbidden":
        return unknown_key(name, sorted(_fields(schema, path[:-1])))
    if kind == "missing":
        return f"{error['loc'][-1]!r} is missing: {_describe(schema, path[:-1], name)}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "literal_error" and error["loc"][-1] == _KEY:
        return unknown_key(name, _quoted(error["ctx"]["expected"]))
    if kind == "literal_error":
        return f"{_called(path)}={_show(given)}: write {error['ctx']['expected']}"
    choices = _CHOICES.fullmatch(error.get("ctx", {}).get("pattern", ""))
    if kind == "string_pattern_mismatch" and choices is not None:
        hint = did_you_mean(str(given), choices[1].split("|"))
        return f"{_called(path)}={_show(given)}: {hint}"
    if kind == "string_pattern_mismatch":
        return (
            f"{_called(path)}={_show(given)}: use letters, digits, '-', '_' and '.', beginning "
            "with a letter or digit"
        )
    mend = _MENDS.get(kind)
    if mend is None and kind.startswith(("greater_than", "less_than")):
        mend = error["msg"].replace("Input should be", "give a number").rstrip(".")
    return f"{_called(path)}={_show(given)}: {mend or error['msg']}"


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _called(path: Path) -> str:
    names = [str(part) for part in path]
    return ".".join(names[-2:] if names and names[-1].isdecimal() else names[-1:]) or "the study"


def _show(value: Any) -> str:
    """The value as the file has it."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _describe(schema: type[BaseModel], path: Path, name: str) -> str:
    field = _fields(schema, path).get(name)
    return f"add `{name}: …` ({field.description})" if field else f"add `{name}: …`"


def _fields(schema: type[BaseModel], path: Path) -> dict[str, Any]:
    """The fields that may stand at a place of the schema."""
    current: type[BaseModel] | None = schema
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        field = current.model_fields.get(part)
        if field is not None:
            current = _model_in(field.annotation)
    return dict(current.model_fields) if current is not None else {}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
