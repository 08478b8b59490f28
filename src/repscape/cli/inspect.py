"""`repscape inspect`: the layer tree of a model, with shapes for one sample."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli import sources
from repscape.cli.output import JSON_HELP, note, on_terminal, print_json, print_table

if TYPE_CHECKING:
    from repscape.extract.inspection import LayerInfo


def inspect(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="hf:…, timm:…, a folder, …")],
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show it the first sample of these data instead."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(metavar="N", help="Only modules inside at most N others.")
    ] = None,
    model_option: sources.ModelOption = None,
    data_option: sources.DataOption = None,
    device: sources.Device = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print the layers of a model, with their shapes.

    The shapes are those for one sample. "layer" is the canonical name, where there is one:
    either name can be extracted. A module without a shape is never called, or gives no tensor.
    """
    from repscape.extract.inspection import example_content, inspect_model

    loaded = sources.open_model(model, model_option, device)
    if data is None:
        content = example_content(loaded)
    else:
        source = sources.open_data(data, data_option, None, None, None, 0)
        content = (source if loaded.modality == "array" else source.view(loaded.modality))[
            0
        ].content
    infos = inspect_model(loaded, content)
    shown = [info for info in infos if depth is None or info.depth <= depth]
    if as_json:
        print_json(
            {
                "model": loaded.name,
                "revision": loaded.revision,
                "modality": loaded.modality,
                "dtype": loaded.dtype,
                "preprocessing": loaded.preprocessing,
                "layers": [dataclasses.asdict(info) for info in shown],
            }
        )
        return
    print_table(
        ("module", "layer", "class", "shape", "parameters"),
        [_cells(info) for info in shown],
        whole=("module",),
    )
    note(f"{loaded.name}: takes {loaded.modality}, {loaded.dtype}, revision {loaded.revision}")
    note(f"preprocessing: {loaded.preprocessing}")


def _cells(info: LayerInfo) -> list[str]:
    name = info.name
    if on_terminal():
        name = "  " * info.depth + name.rpartition(".")[2]
    shape = "" if info.shape is None else " × ".join(map(str, info.shape)) or "a number"
    times = f" ({info.calls} calls)" if info.calls > 1 else ""
    return [name, ", ".join(info.aliases), info.kind, shape + times, f"{info.parameters:,}"]
