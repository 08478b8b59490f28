"""An executor by name, with settings as they are written on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from repscape.compute.memory import parse_bytes
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.execution.run import EXECUTORS
from repscape.studies.yaml_file import parse_source

if TYPE_CHECKING:
    from repscape.execution.executor import Executor


def make_executor(name: str, settings: Sequence[str] = ()) -> Executor:
    """The executor of this name.

    Parameters
    ----------
    name : str
        `"inline"`, `"processes"`, `"slurm"`, `"ray"`.
    settings : sequence of str
        `key=value`; the value is YAML, and `memory` may have a unit: `partition=gpu`,
        `minutes=120`, `memory=16GiB`, `setup=[module load cuda]`.

    Raises
    ------
    InvalidParameterError
        If there is no such executor or setting.
    """
    if name not in EXECUTORS:
        raise InvalidParameterError(
            f"there is no executor {name!r}: {did_you_mean(name, EXECUTORS)}"
        )
    make = EXECUTORS[name]
    known = list(inspect.signature(make).parameters)
    return make(**dict(_read(setting, name, known) for setting in settings))


def _read(setting: str, executor: str, known: Sequence[str]) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    where = f"--with {setting}"
    if not equals or not text:
        raise InvalidParameterError(f"{where}: write --with key=value, e.g. --with partition=gpu")
    if key not in known:
        hint = did_you_mean(key, known) if known else "it has none"
        raise InvalidParameterError(f"{where}: the executor {executor!r} has no {key!r}: {hint}")
    value = parse_source(f"value: {text}", where).content["value"]
    return key, parse_bytes(value) if key == "memory" else value
