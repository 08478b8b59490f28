"""How deep in its network a layer lies, by its canonical name."""

from __future__ import annotations

import re
from collections.abc import Collection

_BLOCK = re.compile(r"(?P<stack>(?:.+\.)?block\.)(?P<number>\d+)(?P<inside>\..+)?")
_EMBEDDINGS, _INPUT_NORM = "embeddings", ".input_norm"


def relative_depth(layer: str, canonical: Collection[str]) -> float | None:
    """The blocks that have been passed at a layer, as a share of the blocks of its stack.

    Parameters
    ----------
    layer : str
        Its canonical name.
    canonical : collection of str
        The canonical names of all layers of the network (`LoadedModel.aliases`).

    Returns
    -------
    float or None
        From 0 (`embeddings`, and the input norm of the first block) to 1 (the last block; the
        final norm and heads after it, which pass no further block). Of L blocks, `block.i` is
        at (i + 1)/L and `block.i.input_norm` at i/L. None for other layers inside a block and
        for those without a canonical name.

    Examples
    --------
    >>> names = ["embeddings", "block.0", "block.1", "block.2", "block.3", "final_norm"]
    >>> [relative_depth(name, names) for name in ("embeddings", "block.0", "final_norm")]
    [0.0, 0.25, 1.0]
    """
    if layer not in canonical:
        return None
    block = _BLOCK.fullmatch(layer)
    if block is None:
        return 0.0 if layer.rpartition(".")[2] == _EMBEDDINGS else 1.0
    if block["inside"] not in (None, _INPUT_NORM):
        return None
    passed = int(block["number"]) + (block["inside"] is None)
    found = [name for name in map(_BLOCK.fullmatch, canonical) if name and not name["inside"]]
    blocks = [name for name in found if name["stack"] == block["stack"]]
    return passed / len(blocks)
