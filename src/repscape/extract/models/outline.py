"""`outline`: a model without its weights, of which the names of layers can be asked."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from repscape.errors import RepscapeError, UnavailableModelError
from repscape.extract.models.base import LoadedModel, ModelSource, check_name
from repscape.extract.models.weights import one_line

_META = torch.device("meta")
_OF_WEIGHTS = ("pretrained", "weights", "device", "device_map", "padding_side")


def outline(name: str, **options: Any) -> LoadedModel:
    """Build a model as `load_model(name, **options)` does, but without values of weights.

    Its configuration is read and its network is built on torch's device `meta`, where even the
    largest takes a second and no memory. It has the layers and the canonical names of the model
    itself. Nothing can be extracted from it, and its revision says nothing.

    Raises
    ------
    UnknownNameError, InvalidParameterError, MissingExtraError
        See `load_model`.
    UnavailableModelError
        If the configuration cannot be had, or the network cannot be built without weights.
    """
    source, rest = check_name(name, options)
    kept = {key: value for key, value in options.items() if key not in _OF_WEIGHTS}
    if options.get("trust_remote_code"):
        raise _unavailable(name, "code that comes with it runs only when it is loaded")
    try:
        built = _built(source, rest, name, kept)
        _ = built.aliases  # found now, so that what hinders it is raised here
    except RepscapeError:
        raise
    except Exception as problem:  # a network, or a function of the user's, may raise anything
        raise _unavailable(
            name, f"it cannot be built without its weights ({one_line(problem, 200)})"
        ) from problem
    return built


def _built(source: ModelSource, rest: str, name: str, options: Mapping[str, Any]) -> LoadedModel:
    takes = inspect.signature(source.load).parameters
    if source.prefix == "python":
        said = {"revision": "an outline", "preprocessing": "an outline"}
        with torch.random.fork_rng(devices=[]), _META:
            return source.load(rest, name, **{**options, **said})
    if "pretrained" in takes:
        return source.load(rest, name, **options, pretrained=False, device=_META)
    if Path(rest).expanduser().is_dir():
        return source.load(rest, name, **options, device=_META)
    raise _unavailable(name, "only loading it tells its layers")


def _unavailable(name: str, reason: str) -> UnavailableModelError:
    return UnavailableModelError(f"model {name!r}: {reason}")
