"""How deep layers lie, by their canonical names."""

from __future__ import annotations

import pytest

from repscape.extract.depth import relative_depth

BLOCKS = [f"block.{i}{inside}" for i in range(12) for inside in (".input_norm", ".mlp", "")]
NAMES = ["embeddings", *BLOCKS, "final_norm", "logits"]
TWO_STACKS = [
    *("encoder.embeddings", "encoder.block.0", "encoder.block.1", "encoder.final_norm"),
    *("decoder.embeddings", "decoder.block.0", "decoder.block.1", "decoder.block.2"),
]


@pytest.mark.parametrize(
    ("layer", "depth"),
    [
        ("embeddings", 0.0),
        ("block.0.input_norm", 0.0),
        ("block.0", 1 / 12),
        ("block.1.input_norm", 1 / 12),
        ("block.10", 11 / 12),
        ("block.11", 1.0),
        ("final_norm", 1.0),
        ("logits", 1.0),
        ("block.3.mlp", None),
        ("block.3#1", None),
        ("transformer.h.3", None),
    ],
)
def test_it_is_the_share_of_the_blocks_that_have_been_passed(layer, depth) -> None:
    assert relative_depth(layer, NAMES) == depth


def test_the_blocks_of_another_stack_do_not_count() -> None:
    assert relative_depth("encoder.block.0", TWO_STACKS) == 1 / 2
    assert relative_depth("decoder.block.0", TWO_STACKS) == 1 / 3
    assert relative_depth("decoder.embeddings", TWO_STACKS) == 0.0
    assert relative_depth("encoder.final_norm", TWO_STACKS) == 1.0


def test_a_network_without_canonical_names_says_nothing() -> None:
    assert relative_depth("block.0", ()) is None
