"""`repscape plan`: what a study will do, what is there already, and what the rest costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli.output import JSON_HELP, by_reason, note, print_json, print_table
from repscape.cli.progress import duration
from repscape.cli.study_options import (
    Out,
    Settings,
    StoreFolder,
    StudyName,
    read_study,
    say_unchecked,
)

if TYPE_CHECKING:
    from repscape.studies.look_at_layers import Unchecked
    from repscape.studies.plan import Plan, StagePlan

_HEAD = ("stage", "tasks", "there", "to do", "operations", "writes", "time", "largest memory")


def plan(
    study: StudyName,
    settings: Settings = None,
    out: Out = None,
    store: StoreFolder = None,
    every_task: Annotated[
        bool, typer.Option("--tasks", help="Also list every task that is to do.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Say what a study will do, without doing it.

    Tasks by stage, what the store already has, and of the rest the estimated operations, bytes
    written, time and largest memory. Estimates are orders of magnitude.
    """
    given = read_study(study, settings, out, store)
    from repscape.store import Store
    from repscape.studies.plan import plan_study

    there = (given.store / "store.json").exists()
    planned = plan_study(given.study, Store(given.store, create=False) if there else None)
    unchecked = _unchecked(planned)
    if as_json:
        print_json(_record(planned, every_task))
        return
    _print(planned, every_task)
    say_unchecked(unchecked)


def _unchecked(planned: Plan) -> Sequence[Unchecked]:
    """Refuse layers that a pretrained model which is still to be run has not."""
    from repscape.studies.look_at_layers import look_at_layers
    from repscape.studies.problems import Problems

    if not any(stage.stage == "extract" and stage.to_do for stage in planned.stages):
        return ()
    problems, absent = Problems(), {one.name for one in planned.unresolved}
    here = tuple(model for model in planned.study.models if model.name not in absent)
    unchecked = look_at_layers(replace(planned.study, models=here), problems, ("model",))
    problems.raise_all()
    return unchecked


def _print(planned: Plan, every_task: bool) -> None:
    from repscape.studies.estimate import CPU_RATE, GPU_RATE

    rows = [_row(stage) for stage in planned.stages]
    print_table(_HEAD, rows, title=f"study {planned.study.name}", numbers=_HEAD[1:])
    if every_task:
        for stage in planned.stages:
            for one in stage.to_do:
                time = "?" if one.seconds is None else duration(one.seconds)
                typer.echo(f"{stage.stage:8}  {one.task.key[:12]}  {one.task.label}  {time}")
    absent = [
        (f"{one.what} {one.name!r}", f"{one.reason} ({one.place})") for one in planned.unresolved
    ]
    for line in by_reason(absent):
        note(f"not at hand: {line}")
    for line in (*planned.without_null, *planned.unscored):
        note(line)
    seconds = sum(stage.seconds for stage in planned.stages)
    gpu = sum(stage.gpu_seconds for stage in planned.stages)
    unknown = sum(stage.unknown for stage in planned.stages)
    words = f"{planned.to_do} of {planned.tasks} tasks to do"
    if planned.to_do:
        words += f", about {duration(seconds)} one after the other"
        words += f", of which {gpu / 3600:.1f} GPU hours" if gpu else ""
        to_do = [stage for stage in planned.stages if stage.to_do]
        timed = {stage.stage: stage.timed for stage in to_do if stage.timed}
        if timed:
            said = ", ".join(f"{many} of {stage}" for stage, many in timed.items())
            words += f"; times after those of tasks in the store ({said})"
        if len(timed) < len(to_do):
            words += "; the others" if timed else ""
            words += f", if a core does {CPU_RATE:.0e} operations a second"
            words += f" and a GPU {GPU_RATE:.0e}" if gpu else ""
            words += " (assumed, not measured here)"
    note(words)
    if unknown:
        many = "1 task has" if unknown == 1 else f"{unknown} tasks have"
        note(
            f"{many} a size that is not known yet and is not counted: say `expect: {{layers: …, "
            "width: …, parameters: …}` of the models in the study file"
        )


def _row(stage: StagePlan) -> list[str]:
    from repscape.compute.memory import show_bytes

    done = len(stage.tasks) - len(stage.to_do)
    counts = [stage.stage, str(len(stage.tasks)), str(done), str(len(stage.to_do))]
    if not stage.to_do:
        return [*counts, "", "", "", ""]
    if stage.unknown == len(stage.to_do):
        return [*counts, "?", show_bytes(stage.bytes) if stage.bytes else "?", "?", "?"]
    more = " + ?" if stage.unknown else ""
    return [
        *counts,
        f"{stage.operations:.1e}{more}",
        show_bytes(stage.bytes) + more,
        duration(stage.seconds) + more,
        show_bytes(stage.memory) + more,
    ]


def _record(planned: Plan, every_task: bool) -> dict[str, Any]:
    from repscape.studies.estimate import CPU_RATE, GPU_RATE

    record: dict[str, Any] = {
        "assumed_operations_per_second": {"core": CPU_RATE, "gpu": GPU_RATE},
        "study": planned.study.name,
        "digest": planned.study.digest,
        "stages": [
            {
                "stage": stage.stage,
                "tasks": len(stage.tasks),
                "to_do": len(stage.to_do),
                "operations": stage.operations,
                "bytes": stage.bytes,
                "seconds": stage.seconds,
                "gpu_seconds": stage.gpu_seconds,
                "largest_memory": stage.memory,
                "unknown": stage.unknown,
                "timed": stage.timed,
            }
            for stage in planned.stages
        ],
        "without_null": list(planned.without_null),
        "unscored": list(planned.unscored),
        "not_at_hand": [str(one) for one in planned.unresolved],
    }
    if every_task:
        record["tasks"] = [
            {
                "key": one.task.key,
                "stage": stage.stage,
                "label": one.task.label,
                "done": one.done,
                "seconds": one.seconds,
                "memory": one.cost.memory,
            }
            for stage in planned.stages
            for one in stage.tasks
        ]
    return record
