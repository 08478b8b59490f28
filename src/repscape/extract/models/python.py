"""Models that a function of the user's own makes."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.extract.models import module as own_module
from repscape.extract.models.base import LoadedModel, model_source


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """What the user says; otherwise the function has to be called."""
    revision = options.get("revision")
    return None if revision is None else str(revision)


@model_source("python", "a function of your own: python:package.module:function", _revise)
def load(
    name: str,
    written: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    modality: str = "array",
    preprocessing: str | None = None,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> LoadedModel:
    """Call a function that returns a model.

    Parameters
    ----------
    name, written : str
        `package.module:function`, and what the user wrote. The function returns a
        `torch.nn.Module`; or a module and a function that prepares one sample for it; or a
        `LoadedModel`, which is taken as it is.
    arguments : mapping, optional
        Keyword arguments of the function.
    revision : str, optional
        What names the content; then planning a study need not call the function.
    modality, preprocessing, device, dtype
        See `module.load`.
    """
    path, _, function = name.partition(":")
    made = _function(path, function, written)(**(arguments or {}))
    if isinstance(made, LoadedModel):
        return made if revision is None else replace(made, revision=revision)
    module, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, torch.nn.Module):
        raise InvalidParameterError(
            f"{written!r} returned a {type(made).__name__}: return a torch.nn.Module, a module "
            "and a function that prepares a sample, or a LoadedModel"
        )
    return own_module.load(
        module,
        None,
        preprocess=preprocess,
        preprocessing=preprocessing,
        modality=modality,
        name=written,
        revision=revision,
        device=device,
        dtype=dtype,
    )


def _function(path: str, function: str, written: str) -> Any:
    if not path or not function:
        raise UnknownNameError(f"model {written!r}: write python:package.module:function")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as problem:
        if problem.name is None or not path.startswith(problem.name):
            raise
        raise UnknownNameError(
            f"model {written!r}: there is no module {problem.name!r} (is its folder on PYTHONPATH?)"
        ) from problem
    if not callable(getattr(module, function, None)):
        known = [n for n, value in vars(module).items() if callable(value)]
        hint = did_you_mean(function, known) if known else "it has no function at all"
        raise UnknownNameError(f"model {written!r}: {path} has no function {function!r}: {hint}")
    return getattr(module, function)
