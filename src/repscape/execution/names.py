"""Executors by what a user writes: `processes`, `slurm[partition=gpu,minutes=120]`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, get_args

from repscape.compute.memory import parse_bytes
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.execution.executor import Executor
from repscape.execution.inline import InlineExecutor
from repscape.execution.processes import ProcessExecutor
from repscape.execution.ray import RayExecutor
from repscape.execution.slurm import SlurmExecutor
from repscape.registry import parse_calls

EXECUTORS: dict[str, Callable[..., Executor]] = {
    "inline": InlineExecutor,
    "processes": ProcessExecutor,
    "slurm": SlurmExecutor,
    "ray": RayExecutor,
}
_NUMBERS = {int: "a whole number", float: "a number"}


def get_executor(text: str) -> Executor:
    """The executor that a text names.

    Parameters
    ----------
    text : str
        A name, or `name[setting=value,setting=value]` with the parameters of the executor's
        class: `processes[cpus=4]`, `slurm[partition=gpu,account=lab,memory=16GiB]`,
        `ray[address=ray://head:10001]`. Several values are joined by `+`:
        `processes[gpus=0+1]`.

    Raises
    ------
    InvalidParameterError
        If there is no such executor or setting, or its value does not fit.
    """
    first, *others = parse_calls(text)
    if first.name not in EXECUTORS or others or first.version:
        raise InvalidParameterError(f"there is no executor {text!r}: {_hint(first.name)}")
    make = EXECUTORS[first.name]
    kinds = _settings(make)
    settings = {}
    for name, value in first.arguments.items():
        if name not in kinds:
            hint = did_you_mean(name, kinds) if kinds else "it takes none"
            raise InvalidParameterError(
                f"the executor {first.name!r} has no setting {name!r}: {hint}"
            )
        settings[name] = _read(f"{first.name}[{name}={value}]", name, kinds[name], value)
    return make(**settings)


def _hint(name: str) -> str:
    return did_you_mean(name, EXECUTORS)


def _settings(make: Callable[..., Executor]) -> dict[str, Any]:
    """The parameters that a text can set, and their types; mappings are for Python only."""
    known = inspect.signature(make, eval_str=True).parameters
    return {name: known[name].annotation for name in known if name != "options"}


def _read(where: str, name: str, hint: Any, value: str) -> Any:
    if name == "memory":
        return parse_bytes(value, name)
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    for kind, words in _NUMBERS.items():
        if kind in kinds:
            try:
                return kind(value)
            except ValueError:
                raise InvalidParameterError(f"{where}: write {words}") from None
    return value if str in kinds else value.split("+")
