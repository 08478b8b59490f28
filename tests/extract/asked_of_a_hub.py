"""Load models from the hub at HF_ENDPOINT in a process of its own; write what came, as JSON.

    python asked_of_a_hub.py NAME…

Environment variables are read when the client of the hub is imported, as for a user.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from repscape.data.load_data import load_data
from repscape.errors import RepscapeError
from repscape.extract.encode import encode
from repscape.extract.models.base import load_model, model_revision


def _revision(name: str) -> Any:
    return model_revision(name)


def _model(name: str) -> Any:
    model = load_model(name, device="cpu")
    rows = encode(model, ["the cat sat"], "block.0")["block.0", "mean"]
    return [model.revision, rows.values.tolist()]


def _loaded(name: str) -> Any:
    name, _, tower = name.partition("@")
    options = {"tower": tower} if tower else {}
    asked = model_revision(name, device="cpu", **options)
    return [asked, load_model(name, device="cpu", **options).revision]


def _data(name: str) -> Any:
    return len(load_data(name))


WAYS = {"revision": _revision, "loaded": _loaded, "model": _model, "data": _data}


def main() -> None:
    """Each name is `way|name`; OpenCLIP is told of a small model whose weights the hub has."""
    architectures = Path(os.environ["HF_HOME"]).parent / "hub" / "open_clip"
    if architectures.is_dir():
        import open_clip

        open_clip.add_model_config(architectures / "tiny-clip.json")
        open_clip.pretrained._PRETRAINED["tiny-clip"] = {"tiny": {"hf_hub": "tiny/open_clip/"}}
    found: dict[str, Any] = {}
    for asked in sys.argv[1:]:
        way, _, name = asked.partition("|")
        try:
            found[asked] = WAYS[way](name)
        except RepscapeError as problem:
            found[asked] = {"error": type(problem).__name__, "message": str(problem)}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
