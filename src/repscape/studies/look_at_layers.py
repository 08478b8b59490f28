"""Whether the layers that a study asks for are those of its models, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from repscape.errors import InvalidParameterError, RepscapeError, StudyError, UnknownNameError
from repscape.extract.layers import select_layers
from repscape.extract.models.outline import outline
from repscape.hub import without_progress_bars
from repscape.studies.steps.base import TRAINERS
from repscape.tasks import digest_json

if TYPE_CHECKING:
    from repscape.studies.problems import Problems
    from repscape.studies.study import MakesModel, Model, Study

Resolve: TypeAlias = "Callable[[str], object]"


@dataclass(frozen=True)
class Unchecked:
    """A model, as the file names it, whose layers could not be checked, and why."""

    model: str
    reason: str


def look_at_layers(
    study: Study, problems: Problems, kinds: Sequence[MakesModel] = ("model", "train")
) -> list[Unchecked]:
    """Note in `problems` what models of these kinds have no such layer; return what is unknown.

    Networks are built without weights: pretrained ones from their configuration (see `outline`),
    those of a training step untrained. A layer that several models lack is said once.
    """
    unchecked: dict[str, Unchecked] = {}
    built: dict[str, Resolve | None] = {}
    lacking: dict[tuple[str, str], list[str]] = {}
    said: dict[tuple[str, str], str] = {}
    for model in study.models:
        if model.by not in kinds or model.layers is None:
            continue
        known = digest_json([model.by, model.source, dict(model.options)])
        if known not in built:
            built[known] = None
            with problems.collected():
                found = _resolve(study, model)
                if isinstance(found, Unchecked):
                    unchecked.setdefault(found.model, found)
                else:
                    built[known] = found
        resolve = built[known]
        for place, layer, message in () if resolve is None else _lacks(study, model, resolve):
            lacking.setdefault((place, layer), []).append(model.name)
            said.setdefault((place, layer), f"{place}: {message}")
    with problems.collected():
        if lacking:
            raise StudyError("\n".join(f"{said[it]} ({_of(lacking[it])})" for it in lacking))
    return list(unchecked.values())


def _resolve(study: Study, model: Model) -> Resolve | Unchecked | None:
    """What resolves names of layers of this model, if there is anything that does."""
    if model.by == "train":
        step = TRAINERS.find(model.source)
        if step.untrained is None:
            return None
        network = step.untrained(step.options.model_validate(dict(model.options)))
        return partial(select_layers, network)
    if model.source.startswith("hf:"):
        without_progress_bars()
    try:
        return outline(model.source, **model.options).resolve
    except (UnknownNameError, InvalidParameterError) as problem:
        option = next((name for name in model.options if f"{name}=" in str(problem)), None)
        path = (*model.path, "model") if option is None else (*model.path, "options", option)
        raise study.source.elsewhere(model.places).error(path, str(problem)) from None
    except (RepscapeError, OSError, ImportError) as problem:
        return Unchecked(model.source, str(problem).removeprefix(f"model {model.source!r}: "))


def _lacks(study: Study, model: Model, resolve: Resolve) -> Iterator[tuple[str, str, str]]:
    """Place, name and message of each layer that is asked for and that the model has not."""
    source = study.source.elsewhere(model.places)
    path = ("layers",) if model.entry.layers is None else (*model.path, "layers")
    for position, layer in enumerate(model.layers or ()):
        try:
            resolve(layer)
        except RepscapeError as problem:
            yield source.place((*path, position)), layer, str(problem)


def _of(models: Sequence[str]) -> str:
    others = f" and {len(models) - 1} more" if len(models) > 1 else ""
    return f"model {models[0]!r}{others}"
