"""A divided sweep: what is fitted to each layer, and the sums over one group of tiles."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from repscape.compare import checked_tensor
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.measures.base import get_measure
from repscape.studies.pairs import Pairs
from repscape.studies.steps.layers import load_layers
from repscape.studies.steps.score import classes, layer_pairs
from repscape.tasks import Task
from repscape.tiles import fitted_of, scorer_of_sums, tile_sums

if TYPE_CHECKING:
    from repscape.measures.tiled import Sums
    from repscape.store import Store

FITTED = "fitted"
SUMS = "tile_sums"
VERSION = 1
_NO_NUMBERS = torch.zeros(1, dtype=torch.float64)


def run_fitting(store: Store, task: Task) -> None:
    """Find what the measure fits to each layer of one extraction, and commit it."""
    known, device = task.recipe.parameters, task.arguments["device"]
    begin = time.perf_counter()
    layers = load_layers(store, [task.recipe.inputs["extraction"]], known["pooling"])
    arrays = {"layers": _NO_NUMBERS.new_full((1,), len(layers))}
    for name, rep in layers.items():
        x = checked_tensor(rep, name, device)
        found = fitted_of(known["measure"], x) if isinstance(x, torch.Tensor) else None
        for what, array in (found or {}).items():
            arrays[f"{rep.origin.layer}:{what}"] = array.cpu()
    store.write_arrays(task.recipe, arrays, beside=_beside(task, begin))


def run_tile_sums(store: Store, task: Task) -> None:
    """Form the sums over one group of tiles, and commit them."""
    known, arguments = task.recipe.parameters, task.arguments
    begin = time.perf_counter()
    part = Pairs.from_dict(known["pairs"])
    assert part.division is not None
    measure = get_measure(known["measure"])
    layers = load_layers(store, part.keys, known["pooling"])
    pairs = layer_pairs(part, list(layers), known["which"], measure.declared.symmetric)
    sums = SumsOfGroups(store, task.recipe.inputs, part.division.groups)
    arrays = {"classes": _NO_NUMBERS}
    for number, (alike, inside) in enumerate(classes(layers, pairs)):
        values = [checked_tensor(rep, name, arguments["device"]) for name, rep in alike.items()]
        found = tile_sums(
            measure,
            values,
            inside,
            part.division,
            known["group"],
            sums.fitted(list(alike)),
            arguments["memory_limit"] or DEFAULT_MEMORY_LIMIT,
        )
        arrays |= {f"{number}:{name}": array.cpu() for name, array in found.items()}
    store.write_arrays(task.recipe, arrays, beside=_beside(task, begin))


def _beside(task: Task, begin: float) -> dict[str, Any]:
    return {
        "seconds": round(time.perf_counter() - begin, 3),
        "threads": task.resources.cpus,
        "device": task.arguments["device"] or "cpu",
    }


@dataclass(frozen=True)
class SumsOfGroups:
    """What the tasks of a divided sweep have left, read group by group.

    `inputs` are those of the recipe: `group/NUMBER` and `fitted/EXTRACTION`.
    """

    store: Store
    inputs: Mapping[str, str]
    groups: int

    def scorer(self, number: int, names: Sequence[str]) -> Callable[..., Any]:
        """What scores the pairs of one class of layers."""
        return scorer_of_sums(self._sums(f"{number}:"), self.fitted(names))

    def fitted(self, names: Sequence[str]) -> list[Sums | None] | None:
        """What was fitted to each of these layers (`extraction/layer`); None if nothing was."""
        if not self._fitted:
            return None
        found: list[Sums | None] = []
        for name in names:
            extraction, _, layer = name.partition("/")
            known = self._fitted[extraction]
            prefix = f"{layer}:"
            inside = {k.removeprefix(prefix): v for k, v in known.items() if k.startswith(prefix)}
            found.append(inside or None)
        return found

    @cached_property
    def _fitted(self) -> dict[str, dict[str, torch.Tensor]]:
        return {
            role.partition("/")[2]: self._arrays(key)
            for role, key in self.inputs.items()
            if role.startswith("fitted/")
        }

    def _sums(self, prefix: str) -> Iterator[Sums]:
        """The sums of every group, in order; one of them is in memory at a time."""
        for group in range(self.groups):
            key = self.inputs[f"group/{group}"]
            names = [n for n in self.store.manifest(key).arrays if n.startswith(prefix)]
            found = self._arrays(key, names) if names else {}
            yield {name.removeprefix(prefix): array for name, array in found.items()}

    def _arrays(self, key: str, names: Sequence[str] | None = None) -> dict[str, torch.Tensor]:
        found = self.store.read_arrays(key, names)
        return {name: torch.as_tensor(array) for name, array in found.items()}
