"""The rules of the house as functions of source text, so that tests can show them a violation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PACKAGE = "repscape"
MODULE_LINES = 450

# Top to bottom: a room imports rooms of lower rows. Rooms of one row do not know each other,
# except the front doors, which are single modules, and the nouns.
ROWS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("studies",),
    ("report",),
    ("plots",),
    ("analysis",),
    ("training", "probes", "concepts"),
    ("extract",),
    ("streaming",),
    ("data",),
    (
        "compare",
        "similarities",
        "describe",
        "profile",
        "between_layers",
        "published_profile",
        "catalogue",
        "pairwise",
        "tiles",
        "testing",
        "conformance",
    ),
    ("significance",),
    ("measures", "geometry"),
    ("execution",),
    ("store",),
    ("compute",),
    (
        "representation",
        "sample_ids",
        "hub",
        "score",
        "transforms",
        "tables",
        "tasks",
        "papers",
        "registry",
        "extras",
        "errors",
    ),
)
LEVEL = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
FRONT_DOORS = LEVEL["compare"]
NOUNS = LEVEL["errors"]
ONLY_COMPUTE_AND_NOUNS = frozenset({"measures", "geometry"})
NO_TENSORS = frozenset({"plots", "analysis"})
TORCH_AT_IMPORT_FORBIDDEN = frozenset(ROWS[NOUNS])


@dataclass(frozen=True)
class Import:
    """One name that a module imports: `from module import name`, or `import module`."""

    line: int
    module: str
    name: str | None
    at_import: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted path, with the imported name."""
        return (*self.module.split("."), *([self.name] if self.name else []))


def imports(source: str) -> Iterator[Import]:
    """Every import of a module but those that only type checkers see."""
    yield from _imports(ast.parse(source), at_import=True)


def _imports(node: ast.AST, at_import: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(node.lineno, alias.name, None, at_import)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            module = f"{'.' * node.level}{node.module or ''}"
            yield Import(node.lineno, module, alias.name, at_import)
    elif isinstance(node, ast.If) and _mentions_type_checking(node.test):
        for child in node.orelse:
            yield from _imports(child, at_import)
    else:
        inside = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, inside)


def _mentions_type_checking(test: ast.expr) -> bool:
    return any(
        getattr(part, "id", getattr(part, "attr", None)) == "TYPE_CHECKING"
        for part in ast.walk(test)
    )


def import_violations(module: str, source: str) -> list[str]:
    """What a module of the package imports against the rules."""
    room = _room(module)
    if room is None:
        return []
    if room not in LEVEL:
        return [f"{module}: the room {room!r} has no place in the order: see ROWS"]
    found = []
    for one in imports(source):
        problem = _violation(room, one)
        if problem:
            found.append(f"{module}:{one.line}: {problem}")
    return found


def _room(module: str) -> str | None:
    """`repscape.store.shards` is in the room store; the package itself is in none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def _violation(room: str, one: Import) -> str | None:
    if one.module.startswith("."):
        return "a relative import; write the full name"
    top = one.parts[0]
    if top == "torch" and room in NO_TENSORS:
        return f"{room} sees tables, never tensors, so it may not import torch"
    if top == "torch" and one.at_import and room in TORCH_AT_IMPORT_FORBIDDEN:
        return f"{room} is imported by everything, so it imports torch inside functions"
    if top != PACKAGE or len(one.parts) == 1:
        return None
    other = one.parts[1]
    if other == room:
        return None
    if other not in LEVEL:
        return None if other.startswith("__") else f"{'.'.join(one.parts)} is no known room"
    private = [part for part in one.parts[2:] if part.startswith("_")]
    if private:
        return f"{private[0]} is private to {other}"
    return _order_violation(room, other)


def _order_violation(room: str, other: str) -> str | None:
    if room in ONLY_COMPUTE_AND_NOUNS and LEVEL[other] < LEVEL["compute"]:
        return f"{room} imports only compute and nouns, not {other}"
    if LEVEL[other] > LEVEL[room]:
        return None
    if LEVEL[other] == LEVEL[room] and LEVEL[room] in (FRONT_DOORS, NOUNS):
        return None
    return f"{room} may not import {other}, which is not below it"


def missing_docstrings(module: str, source: str) -> list[str]:
    """Public modules, functions and classes without a docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else [f"{module}: no docstring"]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            public = not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                found.append(f"{module}:{node.lineno}: {node.name} has no docstring")
    return found


# Split so that this file does not hold what it looks for.
_SILENCER = re.compile(r"#\s*(?P<kind>no" r"qa|type:\s*ig" r"nore)(?P<codes>:?\s*\[?[A-Za-z]+)?")
_MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:wo" r"rk|home|root|Users|mnt)/[\w.-]+")


def bare_silencers(name: str, source: str) -> list[str]:
    """Comments that silence a checker without saying which rule."""
    return [
        f"{name}:{number}: {line.strip()}"
        for number, line in enumerate(source.splitlines(), start=1)
        for match in _SILENCER.finditer(line)
        if not match["codes"]
    ]


def machine_paths(name: str, text: str) -> list[str]:
    """Absolute paths that exist on somebody's machine only."""
    return [
        f"{name}:{number}: {match.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for match in _MACHINE_PATH.finditer(line)
    ]


def empty_packages(modules: Mapping[str, str]) -> list[str]:
    """Packages in which nothing lives; `modules` maps dotted names to source."""
    packages = {name.removesuffix(".__init__") for name in modules if name.endswith(".__init__")}
    return sorted(
        package
        for package in packages
        if not any(
            name.startswith(f"{package}.") and name != f"{package}.__init__" for name in modules
        )
    )
