"""Load models from the hub at HF_ENDPOINT in a process of its own; write what came, as JSON.

    python asked_of_a_hub.py NAME…

Environment variables are read when the client of the hub is imported, as for a user.
"""

from __future__ import annotations

import json
import sys
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


def _data(name: str) -> Any:
    return len(load_data(name))


WAYS = {"revision": _revision, "model": _model, "data": _data}


def main() -> None:
    """Each name is `way|name`."""
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
