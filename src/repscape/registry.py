"""Names of measures, transforms and descriptors: how they are declared, printed and parsed.

A printable name such as `unit_rows|cka[kernel=rbf,sigma=0.4,debiased=true]@1` states the
transforms, the measure, every parameter that changes the number, and the version. The same
string parses back, in Python, in study files and on the command line.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import math
import pkgutil
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast, get_args, get_origin
from typing import get_type_hints as _get_type_hints

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

_CALL = re.compile(
    r"\s*(?P<name>[A-Za-z_]\w*)\s*(?:\[(?P<arguments>[^\[\]]*)\])?\s*(?:@(?P<version>\w+))?\s*"
)


class Spec(Protocol):
    """What every declaration has, whether of a measure, a transform or a descriptor."""

    @property
    def name(self) -> str:
        """What it is called, without parameters."""

    @property
    def version(self) -> int:
        """Rises when a fix changes numbers."""

    @property
    def aliases(self) -> Mapping[str, Mapping[str, Any]]:
        """Other names, each with the parameters that it stands for."""


@dataclass(frozen=True)
class Citation:
    """A source, as BibTeX, and how to name it in a table, e.g. `Kornblith et al. 2019`."""

    short: str
    bibtex: str

    @property
    def key(self) -> str:
        """The BibTeX key."""
        return self.bibtex.partition("{")[2].partition(",")[0].strip()


def parameter(
    default: Any, description: str, *, minimum: float | None = None, maximum: float | None = None
) -> Any:
    """Declare a field of a measure, transform or descriptor: its default, meaning and limits."""
    metadata = {"description": description, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata=metadata)


class Parametrised:
    """Base of the frozen dataclasses whose fields are their parameters.

    Values are brought to one form (`1` and `"1"` and `1.0` are one number) and checked on
    construction, so that equal parameters have equal printable names.
    """

    spec: ClassVar[Any]

    def __post_init__(self) -> None:
        hints = _type_hints(cast(Hashable, type(self)))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = _coerce(self.spec.name, field, hints[field.name], getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def irrelevant(self) -> frozenset[str]:
        """The names of fields that do not change the number, given the others."""
        return frozenset()

    def canonical(self) -> Parametrised:
        """The instance that stands for this number: itself, unless another name is the canonical.

        So `angular_shape[alpha=1]` is `procrustes[score=angle]`: one number, one name.
        """
        return self

    @property
    def call(self) -> str:
        """The printable name without the version."""
        shown = [f.name for f in dataclasses.fields(self) if f.name not in self.irrelevant()]  # type: ignore[arg-type]
        arguments = ",".join(f"{name}={format_value(getattr(self, name))}" for name in shown)
        return f"{self.spec.name}[{arguments}]" if arguments else str(self.spec.name)

    @property
    def name(self) -> str:
        """The printable name: every parameter that changes the number, and the version."""
        return f"{self.call}@{self.spec.version}"

    def __str__(self) -> str:
        return self.name


P = TypeVar("P", bound=Parametrised)


@dataclass(frozen=True)
class Call:
    """One parsed `name[parameter=value,…]@version`."""

    name: str
    arguments: Mapping[str, str]
    version: str | None


class Registry(Generic[P]):
    """The declared measures (or transforms, or descriptors) by name.

    A module of `package` that decorates a class with `register` is found by itself: a new
    measure is one new file. Third parties use the entry point group of the same name.
    """

    def __init__(self, what: str, package: str) -> None:
        self.what = what
        self._package = package
        self._classes: dict[str, type[P]] = {}
        self._aliases: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._discovered = False

    def register(self, cls: type[P]) -> type[P]:
        """Class decorator: make the class known under its name and aliases."""
        taken = {**self._classes, **self._aliases}
        for name in (cls.spec.name, *cls.spec.aliases):
            known = self._classes.get(name)
            same_class = known is not None and known.__qualname__ == cls.__qualname__
            if name in taken and not same_class:
                raise InvalidParameterError(f"two {self.what}s are called {name!r}")
        self._classes[cls.spec.name] = cls
        for alias, arguments in cls.spec.aliases.items():
            self._aliases[alias] = (cls.spec.name, arguments)
        return cls

    def names(self) -> list[str]:
        """The canonical names, sorted."""
        self._discover()
        return sorted(self._classes)

    def classes(self) -> Iterator[type[P]]:
        """The registered classes, in the order of their names."""
        for name in self.names():
            yield self._classes[name]

    def find(self, name: str) -> type[P]:
        """The class registered under a canonical name or an alias."""
        self._discover()
        name = self._aliases[name][0] if name in self._aliases else name
        if name not in self._classes:
            known = [*self._classes, *self._aliases]
            raise UnknownNameError(
                f"no {self.what} is called {name!r}: {did_you_mean(name, known)}"
            )
        return self._classes[name]

    def build(self, call: Call) -> P:
        """Make the instance that a parsed call names."""
        cls = self.find(call.name)
        preset = self._aliases.get(call.name, ("", {}))[1]
        for name, value in call.arguments.items():
            if name in preset and str(preset[name]) != value:
                raise InvalidParameterError(
                    f"{call.name!r} is {cls.spec.name!r} with {name}="
                    f"{format_value(preset[name])}, so {name}={value} contradicts it: use "
                    f"{cls.spec.name!r}"
                )
        if call.version is not None and call.version != str(cls.spec.version):
            raise UnknownNameError(
                f"{call.name}@{call.version}: this Repscape has version {cls.spec.version} of "
                f"{cls.spec.name!r}; numbers of another version need the release that made them"
            )
        return cast(P, _instantiate(cls, {**preset, **call.arguments}).canonical())

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")
        for entry in importlib.metadata.entry_points(group=self._package):
            self.register(entry.load())


def parse_calls(text: str) -> list[Call]:
    """Split `a[x=1]|b[y=2]@1` into its calls.

    Raises `InvalidParameterError` that quotes the part that cannot be read.
    """
    return [_parse_call(part, text) for part in text.split("|")]


def _parse_call(part: str, text: str) -> Call:
    match = _CALL.fullmatch(part)
    if match is None:
        raise InvalidParameterError(
            f"cannot read {_within(part, text)}: write name[parameter=value,parameter=value], "
            "e.g. 'unit_rows|cka[kernel=rbf,sigma=0.4]'; several names are a list, not one text"
        )
    arguments: dict[str, str] = {}
    for argument in filter(None, (match["arguments"] or "").split(",")):
        name, equals, value = (piece.strip() for piece in argument.partition("="))
        if not (equals and name and value):
            raise InvalidParameterError(
                f"cannot read {_within(argument, text)}: write parameter=value"
            )
        if name in arguments:
            raise InvalidParameterError(f"{name!r} stands twice in {text!r}")
        arguments[name] = value
    return Call(match["name"], arguments, match["version"])


def _within(part: str, text: str) -> str:
    return repr(text) if part == text else f"{part!r} in {text!r}"


def _instantiate(cls: type[P], arguments: Mapping[str, Any]) -> P:
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for name in arguments:
        if name not in known:
            hint = did_you_mean(name, known) if known else "it takes none"
            raise InvalidParameterError(f"{cls.spec.name!r} has no parameter {name!r}: {hint}")
    instance = cls(**arguments)
    for name in arguments:
        if name in instance.irrelevant():
            raise InvalidParameterError(
                f"{name}={format_value(getattr(instance, name))} has no effect on "
                f"{instance.call!r}: leave it out"
            )
    return instance


@cache
def _type_hints(cls: Hashable) -> dict[str, Any]:
    return _get_type_hints(cls)


def _coerce(owner: str, field: dataclasses.Field[Any], kind: Any, value: Any) -> Any:
    where = f"{owner}[{field.name}={value}]"
    options = get_args(kind) if get_origin(kind) is Literal else ()
    if options:
        if str(value) not in options:
            hint = did_you_mean(str(value), options)
            raise InvalidParameterError(f"{where}: {hint} (allowed: {', '.join(options)})")
        return str(value)
    if kind is bool:
        return _as_bool(where, value)
    if kind in (int, float):
        return _as_number(where, kind, value, field.metadata)
    if hasattr(kind, "parse"):
        return value if isinstance(value, kind) else kind.parse(str(value))
    raise TypeError(
        f"{owner}.{field.name}: parameters are bool, int, float, Literal or have parse()"
    )


def _as_bool(where: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise InvalidParameterError(f"{where}: write true or false")


def _as_number(
    where: str, kind: Callable[[Any], Any], value: Any, limits: Mapping[str, Any]
) -> int | float:
    try:
        number = kind(value)
        exact = not isinstance(value, bool) and float(value) == number
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        word = "a whole number" if kind is int else "a number"
        raise InvalidParameterError(f"{where}: write {word}")
    low, high = limits.get("minimum"), limits.get("maximum")
    if (low is not None and number < low) or (high is not None and number > high):
        span = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InvalidParameterError(f"{where}: must be {span}")
    if math.isinf(number):
        raise InvalidParameterError(f"{where}: must be finite")
    return number  # type: ignore[no-any-return]


def format_value(value: Any) -> str:
    """A parameter as it stands in a printable name."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format_number(value)
    return str(value)


def format_number(value: float) -> str:
    """The shortest decimal text that parses back to the same float; 1.0 is `1`."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text
