from __future__ import annotations

import ast

import pytest

from repscape.data.load_data import load_data
from repscape.data.python_docs import pieces, prompts, training_text
from repscape.errors import InvalidParameterError, UnknownNameError


def test_sentences_and_code_are_what_they_say() -> None:
    prose, code = prompts("prose", "all"), prompts("code", "all")
    assert len(prose) > 500
    assert len(code) > 80
    for piece in prose:
        assert 50 <= len(piece.text) <= 220
        assert piece.text[0].isupper()
        assert piece.text.endswith(".")
        assert "\n" not in piece.text
    for piece in code:
        ast.parse(piece.text)
    for found in (prose, code):
        assert len({piece.text for piece in found}) == len(found)


@pytest.mark.parametrize("kind", ["prose", "code"])
def test_splits_are_disjoint_and_whole(kind: str) -> None:
    train, out, everything = (prompts(kind, s) for s in ("train", "held_out", "all"))
    assert sorted(p.id for p in [*train, *out]) == sorted(p.id for p in everything)
    assert len(out) == round(0.5 * len(everything))
    assert prompts(kind, seed=1) != out


def test_the_training_text_leaves_out_what_is_held_out() -> None:
    text = training_text()
    lines = set(text.splitlines())
    assert all(piece.text not in lines for piece in prompts("prose"))
    assert all(piece.text in lines for piece in prompts("prose", "train"))
    assert len(text) > len(" ".join(p.text for p in prompts("prose", "train")))
    assert {piece.kind for piece in pieces()} == {"prose", "code", "other"}


def test_the_source_has_topics_as_labels() -> None:
    source = load_data("python-docs", kind="code", split="all")
    assert source.name == "python-docs-code"
    assert source.modality == "text"
    assert source.labels is not None
    assert source.ids[0].startswith(f"{source.labels[0]}/")
    assert source.revision != load_data("python-docs", kind="code").revision
    assert source.revision == load_data("python-docs", kind="code", split="all").revision


def test_what_there_is_not() -> None:
    with pytest.raises(UnknownNameError, match="no kind 'verse'"):
        load_data("python-docs", kind="verse")
    with pytest.raises(UnknownNameError, match="no split 'test'"):
        load_data("python-docs", split="test")
    with pytest.raises(InvalidParameterError, match="held_out=1"):
        load_data("python-docs", held_out=1.0)
