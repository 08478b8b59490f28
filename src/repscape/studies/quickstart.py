"""The quickstart: do networks that differ in seed, architecture or objective agree?

Twelve small networks (three architectures × two objectives × two seeds) are trained on
handwritten digits, every hidden layer of each is extracted on held-out digits, all pairs of
layers are compared with several measures, and a report says what was found.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from repscape.compare import similarity_matrix
from repscape.data.digits import digits
from repscape.execution.outcomes import Event
from repscape.execution.run import run_tasks
from repscape.extract.extract import extract
from repscape.geometry.base import get_descriptor
from repscape.measures.base import get_measure
from repscape.profile import profile
from repscape.representation import Representation
from repscape.store import Store
from repscape.studies.quickstart_outputs import Finding, write_outputs
from repscape.tasks import Recipe, Task
from repscape.training.checkpoint import load_network, training_task
from repscape.training.evaluate import NEIGHBOURS, held_out_accuracy
from repscape.training.networks import HIDDEN_LAYERS
from repscape.training.train import TrainingRecipe

if TYPE_CHECKING:
    from repscape.data.arrays import ArrayData

ARCHITECTURES = ("cnn", "mlp", "transformer")
OBJECTIVES = ("supervised", "self-supervised")
SEEDS = (0, 1)
MEASURES = (
    "cka[kernel=linear,debiased=true]",
    "cka[kernel=rbf,sigma=0.4median,debiased=true]",
    "rsa[rdm=euclidean,compare_by=spearman]",
    "procrustes[score=distance]",
    "mutual_knn[k=10,metric=cosine]",
)
DESCRIPTORS = ("gride", "label_overlap[k=10]")
TABLE_VERSION = 1

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Quickstart:
    """What a run leaves behind."""

    report: Path
    headlines: list[Finding]
    """The three numbers that matter."""
    made: int
    """How many tasks ran; the others were found in the store."""


def run(
    out: Path | str = "quickstart", store: Path | str | None = None, tell: Tell = print
) -> Quickstart:
    """Answer the question; write tables, figures and `report.html` into `out`.

    Parameters
    ----------
    out : path
        The output folder.
    store : path, optional
        Where networks, representations and scores are kept; by default `out/store`. What is
        there is not computed again.
    tell : callable (text)
        Called with each line of progress.
    """
    folder = Path(out)
    kept = Store(folder / "store" if store is None else store)
    clock = _Clock(tell)
    data = {split: digits(split) for split in ("train", "held_out")}
    trainings = {name: training_task(recipe, data["train"]) for name, recipe in networks().items()}
    with clock.stage("train", f"{len(trainings)} networks on {len(data['train'])} digits"):
        made = _made(list(trainings.values()), kept, clock)
    with clock.stage("extract", f"every hidden layer on {len(data['held_out'])} held-out digits"):
        layers = _extract_all(trainings, data["held_out"], kept)
    tasks = {measure: comparison_task(measure, layers) for measure in MEASURES}
    with clock.stage(
        "compare", f"{len(layers)} layers, all pairs, {len(tasks)} measures; their shape"
    ):
        accuracies = networks_task(trainings, data)
        geometry = geometry_task(layers)
        made += _made([*tasks.values(), accuracies, geometry], kept, clock)
    with clock.stage("report", f"tables, figures and report in {folder}"):
        table = pd.concat([kept.read_table(task.key) for task in tasks.values()])
        used = [*trainings.values(), *tasks.values(), accuracies, geometry]
        headlines = write_outputs(
            folder,
            table.reset_index(drop=True),
            kept.read_table(accuracies.key),
            kept.read_table(geometry.key),
            [task.key for task in used],
        )
    clock.write(folder / "run.log")
    return Quickstart(folder / "report.html", headlines, made)


def networks() -> Mapping[str, TrainingRecipe]:
    """The twelve networks by name."""
    return {
        f"{architecture}/{objective}/{seed}": TrainingRecipe(architecture, objective, seed)
        for architecture, objective, seed in product(ARCHITECTURES, OBJECTIVES, SEEDS)
    }


def comparison_task(measure: str, layers: Mapping[str, Representation]) -> Task:
    """All pairs of layers with one measure: one table."""
    name = get_measure(measure).name
    recipe = Recipe("table", TABLE_VERSION, {"measure": name, "pairs": "all"}, _keys(layers))
    return Task(recipe, f"{__name__}:compare_layers", label=name, stage="compare")


def compare_layers(store: Store, task: Task) -> None:
    """Do what a `comparison_task` says."""
    scores = similarity_matrix(_loaded(store, task), task.recipe.parameters["measure"])
    store.write_table(task.recipe, scores.table)


def geometry_task(layers: Mapping[str, Representation]) -> Task:
    """The intrinsic dimension and the label overlap of every layer: one table."""
    names = [get_descriptor(name).name for name in DESCRIPTORS]
    recipe = Recipe("table", TABLE_VERSION, {"profile": names}, _keys(layers))
    label = "dimension and label overlap of every layer"
    return Task(recipe, f"{__name__}:profile_layers", label=label, stage="compare")


def profile_layers(store: Store, task: Task) -> None:
    """Do what a `geometry_task` says."""
    table = profile(_loaded(store, task), task.recipe.parameters["profile"], store=store).table
    store.write_table(task.recipe, table)


def networks_task(trainings: Mapping[str, Task], data: Mapping[str, ArrayData]) -> Task:
    """One row per network: its factors, and how many held-out digits it recognises."""
    revisions = {split: part.revision for split, part in data.items()}
    inputs = {name: task.key for name, task in trainings.items()}
    recipe = Recipe("table", TABLE_VERSION, {"table": "networks", **revisions}, inputs)
    return Task(
        recipe,
        f"{__name__}:judge_networks",
        label="held-out accuracies",
        stage="compare",
        needs=tuple(trainings.values()),
    )


def judge_networks(store: Store, task: Task) -> None:
    """Do what a `networks_task` says."""
    data = {split: digits(split) for split in ("train", "held_out")}
    rows = [
        {"model": name, **_judged(store.manifest(key).recipe, store, data), "checkpoint": key}
        for name, key in task.recipe.inputs.items()
    ]
    store.write_table(task.recipe, pd.DataFrame(rows))


def _judged(
    checkpoint: Recipe, store: Store, data: Mapping[str, ArrayData]
) -> dict[str, str | int | float]:
    recipe = TrainingRecipe(**checkpoint.parameters["training"])
    network = load_network(checkpoint, store)
    by_head = recipe.objective == "supervised"
    return {
        **dataclasses.asdict(recipe),
        "held_out_accuracy": held_out_accuracy(recipe, network, data["train"], data["held_out"]),
        "judged_by": "its head" if by_head else f"the {NEIGHBOURS} nearest training digits",
    }


def _keys(layers: Mapping[str, Representation]) -> dict[str, str]:
    return {name: layer.key or "" for name, layer in layers.items()}


def _loaded(store: Store, task: Task) -> dict[str, Representation]:
    return {name: store.load_representation(key) for name, key in task.recipe.inputs.items()}


def _extract_all(
    trainings: Mapping[str, Task], data: ArrayData, store: Store
) -> dict[str, Representation]:
    layers: dict[str, Representation] = {}
    for (name, recipe), task in zip(networks().items(), trainings.values(), strict=True):
        found = extract(
            load_network(task.recipe, store),
            list(data.batches()),
            HIDDEN_LAYERS,
            store=store,
            model=name,
            model_revision=task.key,
            data=data.name,
            data_revision=data.revision,
            split=data.split,
            preprocessing=data.preprocessing,
            tags={
                "architecture": recipe.architecture,
                "objective": recipe.objective,
                "seed": str(recipe.seed),
            },
        )
        layers.update({f"{name}:{layer}": rep for layer, rep in found.items()})
    return layers


def _made(tasks: Sequence[Task], store: Store, clock: _Clock) -> int:
    result = run_tasks(tasks, store, report=clock.task)
    result.raise_if_failed()
    return len(result.made)


class _Clock:
    """Tells what goes on, and keeps the run times, which belong in a log and in no table."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._lines: list[str] = []
        self._stage = ""
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str, what: str) -> Iterator[None]:
        self._tell(f"{name:8} {what}")
        self._stage = name
        before = time.perf_counter()
        yield
        self._lines.append(f"{name:8} {time.perf_counter() - before:7.2f} s")

    def task(self, event: Event) -> None:
        if event.what == "started":
            self._started = time.perf_counter()
            return
        if event.what == "found" and event.task.stage != self._stage:
            return
        taken = "found in the store"
        if event.what == "made":
            seconds = time.perf_counter() - self._started
            taken = f"{seconds:.1f} s"
            self._lines.append(f"  {event.task.label:60} {seconds:7.2f} s")
        self._tell(f"  {event.task.label}  {taken}")

    def write(self, path: Path) -> None:
        with path.open("a", encoding="utf-8") as log:
            log.write("\n".join([*self._lines, ""]) + "\n")
