"""The content revision of a module: a digest of its weights and of what shapes its forward."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch

from repscape.errors import InvalidParameterError

_DIGEST_CHARACTERS = 40
_PLAIN = (bool, int, float, str, type(None))


def digest_of_weights(module: torch.nn.Module) -> str:
    """Return a digest that names the content of a module.

    It covers, for the module and each submodule, the name, the qualified class name and the
    plain attributes (numbers, strings, functions by name: strides, number of heads,
    activation, …), and, for each parameter and buffer, the name, dtype, shape and bytes. It
    does not depend on the device, the training flags, `requires_grad` or hooks. It does not
    see the text of `forward`: if that changes while all of the above stays, give
    `model_revision=` to `extract` yourself.

    Raises
    ------
    InvalidParameterError
        If a weight has no values yet (lazy or meta tensors).
    """
    digest = hashlib.sha256()
    for name, part in module.named_modules(remove_duplicate=False):
        kind = type(part)
        digest.update(f"\x1d{name}\x1f{kind.__module__}.{kind.__qualname__}".encode())
        for attribute in _plain_attributes(part):
            digest.update(f"\x1f{attribute}".encode())
    tensors = chain(
        module.named_parameters(remove_duplicate=False),
        module.named_buffers(remove_duplicate=False),
    )
    for name, tensor in sorted(tensors, key=lambda pair: pair[0]):
        digest.update(f"\x1e{name}\x1f{tensor_header(name, tensor)}\x1f".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def tensor_header(name: str, tensor: torch.Tensor) -> str:
    """Dtype and shape of a weight; raises `InvalidParameterError` if it has no values yet."""
    if torch.nn.parameter.is_lazy(tensor) or tensor.is_meta:
        raise InvalidParameterError(
            f"weight {name!r} has no values yet: load the weights, or run one batch through a "
            "lazy module, before the extraction"
        )
    return f"{tensor.dtype}{tuple(tensor.shape)}"


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of the values of a tensor, row by row."""
    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy().data


def _plain_attributes(part: torch.nn.Module) -> Iterator[str]:
    for name, value in sorted(vars(part).items()):
        if name.startswith("_") or name == "training":
            continue
        if _is_plain(value):
            yield f"{name}={value!r}"
        elif isinstance(value, FunctionType | BuiltinFunctionType):
            yield f"{name}={value.__module__}.{value.__qualname__}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
