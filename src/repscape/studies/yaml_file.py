"""Read a study file and remember where everything stands, so that errors can name the line.

The dialect is that of YAML 1.2's core schema: `no`, `on` and `12:30` are text, `1e-3` is a
number. A key that stands twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from repscape.errors import StudyError, UnreadableFileError, did_you_mean

Path_: TypeAlias = "tuple[str | int, ...]"

_LITERALS = {
    "tag:yaml.org,2002:null": (r"^(?:null|~|)$", ["n", "~", ""]),
    "tag:yaml.org,2002:bool": (r"^(?:true|false)$", ["t", "f"]),
    "tag:yaml.org,2002:int": (r"^[-+]?[0-9]+$", list("-+0123456789")),
    "tag:yaml.org,2002:float": (
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
        list("-+0123456789."),
    ),
}


class _Loader(yaml.SafeLoader):
    """Text unless it is plainly a number, true, false or null."""

    # PyYAML's types call it an instance's, so it cannot be annotated as the class's that it is.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, (_pattern, _first) in _LITERALS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)

_FastLoader: type[yaml.SafeLoader] = type(
    "_FastLoader",
    (getattr(yaml, "CSafeLoader", yaml.SafeLoader),),
    {"yaml_implicit_resolvers": _Loader.yaml_implicit_resolvers},
)
"""The same in C, where PyYAML has it: much faster, but it words mistakes in its own way."""


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value)  # "010" is ten, not eight


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(node.value)


class _Dumper(yaml.SafeDumper):
    """Quotes the text that `_Loader` would read as something else."""

    # PyYAML's types call it an instance's, so it cannot be annotated as the class's that it is.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _tag, (_pattern, _first) in _LITERALS.items():
    _Dumper.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def dump_source(content: Mapping[str, Any]) -> str:
    """The text of a study file with this content, which `parse_source` reads back."""
    text = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return str(text)


for _loader in (_Loader, _FastLoader):
    _loader.add_constructor("tag:yaml.org,2002:int", _integer)
    _loader.add_constructor("tag:yaml.org,2002:float", _number)


@dataclass(frozen=True)
class Source:
    """The content of a study file and where each part of it stands.

    Attributes
    ----------
    name : str
        What messages call it: the path as the user wrote it.
    content : mapping
        Plain values.
    places : mapping of path to text
        `file:line:column` of every value; of a key of a mapping, the place of the key.
    moved : mapping of path to text
        Where the values of some parts come from, if that is elsewhere.
    """

    name: str
    content: dict[str, Any]
    places: Mapping[Path_, str] = field(default_factory=dict)
    moved: Mapping[Path_, str] = field(default_factory=dict)

    def elsewhere(self, places: Mapping[Path_, str]) -> Source:
        """The same, where some parts stand at other places: their values come from there."""
        return replace(self, moved=places)

    def place(self, path: Sequence[str | int]) -> str:
        """Where a part stands, or the nearest part around it that is known."""
        for length in range(len(path), -1, -1):
            part = tuple(path[:length])
            found = self.moved.get(part) or self.places.get(part)
            if found is not None:
                return found
        return self.name

    def error(self, path: Sequence[str | int], message: str) -> StudyError:
        """The error that says what is wrong at a place."""
        return StudyError(f"{self.place(path)}: {message}")


def read_source(path: Path) -> Source:
    """Read a study file.

    Raises
    ------
    UnreadableFileError
        If there is no such file, or it is not UTF-8 text.
    StudyError
        If it is not YAML, naming line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UnreadableFileError(
            f"{path}: there is no such study file; `repscape studies` lists the built-in ones"
        ) from None
    except (UnicodeDecodeError, IsADirectoryError) as problem:
        raise UnreadableFileError(f"{path}: not a text file ({problem})") from None
    return parse_source(text, str(path))


def parse_source(text: str, name: str) -> Source:
    """Parse the text of a study file; see `read_source`."""
    places: dict[Path_, str] = {}
    try:
        content = _parsed(_FastLoader, text, name, places)
    except yaml.YAMLError:
        content = _in_our_words(text, name, places)
    if not isinstance(content, dict):
        raise StudyError(f"{name}:1:1: a study is a mapping that begins with `study: NAME`")
    return Source(name, content, places)


def _parsed(kind: type[yaml.SafeLoader], text: str, name: str, places: dict[Path_, str]) -> Any:
    """The content of a text, and where each part of it stands."""
    loader = kind(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise StudyError(f"{name}:1:1: the file is empty: a study begins with `study: NAME`")
        _Reader(name, places).visit(node, (), frozenset())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _in_our_words(text: str, name: str, places: dict[Path_, str]) -> Any:
    """The content of a text in which the fast loader found a mistake, which is said."""
    places.clear()
    try:
        return _parsed(_Loader, text, name, places)
    except yaml.MarkedYAMLError as problem:
        raise StudyError(_syntax(name, problem)) from None
    except yaml.YAMLError as problem:
        raise StudyError(f"{name}:1:1: not YAML: {' '.join(str(problem).split())}") from None


@dataclass(frozen=True)
class _Reader:
    """Walks the nodes: notes where they stand, refuses keys that repeat or are no text."""

    name: str
    places: dict[Path_, str]

    def visit(self, node: yaml.Node, path: Path_, above: frozenset[int]) -> None:
        self.places.setdefault(path, self._at(node))
        if id(node) in above:
            raise StudyError(f"{self._at(node)}: an alias stands inside what it names")
        inside = above | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            for position, child in enumerate(node.value):
                self.visit(child, (*path, position), inside)
        elif isinstance(node, yaml.MappingNode):
            seen: dict[str, str] = {}
            for key, child in node.value:
                text = self._key(key)
                if text in seen:
                    raise StudyError(
                        f"{self._at(key)}: {text!r} stands twice, first at {seen[text]}: leave "
                        "one of them out"
                    )
                seen[text] = self._at(key)
                self.places[(*path, text)] = self._at(key)
                self.visit(child, (*path, text), inside)

    def _key(self, node: yaml.Node) -> str:
        if node.tag != "tag:yaml.org,2002:str":
            shown = node.value if isinstance(node, yaml.ScalarNode) else "…"
            raise StudyError(
                f"{self._at(node)}: the key {shown} is not text: quote it ('{shown}')"
                if isinstance(node, yaml.ScalarNode)
                else f"{self._at(node)}: a key is a name, not a list or mapping: quote "
                "{…} and […] where they are text"
            )
        return str(node.value)

    def _at(self, node: yaml.Node) -> str:
        mark = node.start_mark
        return f"{self.name}:{mark.line + 1}:{mark.column + 1}"


def _syntax(name: str, problem: yaml.MarkedYAMLError) -> str:
    mark = problem.problem_mark or problem.context_mark
    where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
    what = " ".join(part for part in (problem.problem, problem.context) if part)
    hints = {
        "mapping values are not allowed": "quote text that holds ': ', or mend the indentation",
        "cannot start any token": "indent with spaces, not tabs, and quote text that begins with "
        "@, ` or %",
        "did not find expected": "check the indentation and the brackets above this line",
        "expected ',' or": "close the bracket, or quote text that holds brackets, as in "
        "'cka[kernel=rbf]'",
        "expected <block end>": "check the indentation: entries of one list or mapping begin in "
        "one column",
        "undefined alias": "define it before with &name, or quote text that begins with *",
        "could not determine a constructor": "leave the tag out",
    }
    mend = next((hint for sign, hint in hints.items() if sign in what), "check this line")
    return f"{where}: not YAML ({what}): {mend}"


def with_settings(source: Source, settings: Sequence[str]) -> Source:
    """The study with `key=value` settings of the command line, as if the file said so.

    A key is a dotted path (`data.0.split`, `resources.extract.gpus`); the value is YAML.

    Raises
    ------
    StudyError
        If a setting has no `=`, or its path does not lead anywhere.
    """
    content, places = source.content, dict(source.places)
    for setting in settings:
        key, equals, text = setting.partition("=")
        where = f"--set {setting}"
        if not equals or not key:
            raise StudyError(f"{where}: write --set key=value, e.g. --set retries=2")
        value = parse_source(f"value: {text}", where).content["value"] if text else None
        path = _path(key)
        content = _replaced(content, path, value, where)
        for known in [known for known in places if known[: len(path)] == path]:
            del places[known]
        places[path] = where
    return Source(source.name, content, places)


def _path(key: str) -> Path_:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def _replaced(content: Any, path: Path_, value: Any, where: str) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(content, list):
        if not isinstance(head, int) or head >= len(content):
            raise StudyError(
                f"{where}: {head!r} is no position in a list of {len(content)}: give 0 to "
                f"{len(content) - 1}"
            )
        copy = list(content)
        copy[head] = _replaced(content[head], rest, value, where)
        return copy
    if isinstance(content, dict):
        if rest and str(head) not in content:
            content = {**content, str(head): {}}
        return {**content, str(head): _replaced(content.get(str(head)), rest, value, where)}
    raise StudyError(f"{where}: there is nothing inside {content!r}, so no {head!r} either")


def unknown_key(name: str, known: Sequence[str]) -> str:
    """What to say of a key that nothing is called."""
    return f"unknown key {name!r}: {did_you_mean(name, known)}"
