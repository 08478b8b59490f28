"""What a function of the user's does, as far as it can be told: part of the key of results."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import secrets
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

from repscape.extract.models.weights import digest_of_text, one_line
from repscape.extract.revision import digest_of_weights

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def described_function(function: Callable[..., Any]) -> str:
    """Its name, and a digest of its text and of the values that it holds.

    Objects that can be called (transforms) are described by how they print themselves. What
    cannot be told (an object that prints its address) gets a mark of its own every time, so that
    results that depend on it are never taken for those of another. Global variables and other
    functions that it calls are not looked into.
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", type(function).__module__)
    return f"{module}.{name} {digest_of_text(chr(0x1F).join(_parts(function)))}"


def _parts(function: Any) -> Iterator[str]:
    if isinstance(function, functools.partial):
        yield from _parts(function.func)
        yield from map(_said, [*function.args, *sorted(function.keywords.items())])
    elif isinstance(function, MethodType):
        yield from _parts(function.__func__)
        yield _said(function.__self__)
    elif isinstance(function, FunctionType):
        yield _text(function)
        held = [*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())]
        held += [cell.cell_contents for cell in function.__closure__ or ()]
        yield from map(_said, held)
    else:
        yield f"{type(function).__module__}.{type(function).__qualname__}"
        yield _said(function)


def _said(value: Any) -> str:
    if isinstance(value, torch.nn.Module) and next(value.parameters(), None) is not None:
        return digest_of_weights(value)
    if isinstance(value, torch.Tensor | np.ndarray):  # which print themselves in part
        array = np.asarray(value)
        return digest_of_text(f"{array.dtype}{array.shape}{array.tobytes().hex()}")
    if isinstance(value, FunctionType | MethodType | functools.partial):
        return described_function(value)
    text = repr(value)
    return secrets.token_hex(8) if _ADDRESS.search(text) else one_line(text)


def _text(function: FunctionType) -> str:
    if function.__name__ != "<lambda>":  # whose line may hold several
        with contextlib.suppress(OSError, TypeError):  # typed in, or made by a program
            return inspect.getsource(function)
    return _code(function.__code__)


def _code(code: CodeType) -> str:
    return repr((code.co_code, code.co_names, [_constant(one) for one in code.co_consts]))


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)
