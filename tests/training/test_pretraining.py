from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from repscape.data.digits import digits
from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.training.pretraining import PretrainingRecipe, Training, begin, data_revision

transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")

SMALL = {
    "gpt2": PretrainingRecipe("gpt2", 2, 16, heads=2, vocabulary=300, context=16, steps=12),
    "imagegpt": PretrainingRecipe("imagegpt", 2, 16, heads=2, vocabulary=6, steps=12),
    "esm": PretrainingRecipe("esm", 2, 16, heads=2, steps=12),
}


def weights(training: Training) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in training.lesson.network.parameters()]


def all_equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("family", SMALL)
def test_a_training_in_segments_gives_the_bits_of_a_whole_one(family: str) -> None:
    recipe = SMALL[family]
    whole = begin(recipe)
    whole.advance(12)
    first = begin(recipe)
    first.advance(5)
    later = begin(recipe)
    later.restore(first.state(), 5)
    later.advance(12)
    assert all_equal(weights(whole), weights(later))
    assert first.losses + later.losses == whole.losses
    assert not all_equal(weights(whole), weights(begin(recipe)))


@pytest.mark.parametrize("family", SMALL)
def test_training_lowers_the_loss(family: str) -> None:
    training = begin(SMALL[family])
    training.advance(12)
    assert np.mean(training.losses[-3:]) < np.mean(training.losses[:3])


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    begin(SMALL["imagegpt"]).advance(1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    other = begin(SMALL["imagegpt"])
    torch.manual_seed(5)
    assert all_equal(weights(other), weights(begin(SMALL["imagegpt"])))


def test_another_seed_is_another_network() -> None:
    recipe = PretrainingRecipe("imagegpt", 2, 16, heads=2, vocabulary=6, seed=1)
    assert not all_equal(weights(begin(recipe)), weights(begin(SMALL["imagegpt"])))


def test_a_saved_gpt2_is_one_of_transformers(tmp_path: Path) -> None:
    training = begin(SMALL["gpt2"])
    training.advance(2)
    training.lesson.save(tmp_path)
    network = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert all_equal(weights(training), list(network.parameters()))
    text = 'The "with" statement — wraps a block.\n    pass'
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_saved_imagegpt_sees_the_colours_that_it_was_trained_on(tmp_path: Path) -> None:
    from PIL import Image

    training = begin(SMALL["imagegpt"])
    training.lesson.save(tmp_path)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    data = digits("all")
    grey = np.round(255 * data.inputs[:50, 0]).astype(np.uint8)
    images = [Image.fromarray(image).convert("RGB") for image in grey]
    found = processor(images, return_tensors="pt")["input_ids"]
    expected = training.lesson._tokens[:50]  # type: ignore[attr-defined]
    assert torch.equal(torch.as_tensor(found).reshape(50, -1), expected)


def test_a_saved_esm_knows_its_residues(tmp_path: Path) -> None:
    training = begin(SMALL["esm"])
    training.lesson.save(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("LAGV")["input_ids"] == [0, 4, 5, 6, 7, 2]
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, 32)
    network = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert all_equal(weights(training), list(network.parameters()))


def test_what_cannot_be_trained_is_said() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'gpt2'"):
        PretrainingRecipe("gpt-2", 2, 16)
    with pytest.raises(InvalidParameterError, match="heads=3 do not divide width=16"):
        PretrainingRecipe("gpt2", 2, 16, heads=3)
    with pytest.raises(InvalidParameterError, match="layers=0"):
        PretrainingRecipe("gpt2", 0, 16)
    with pytest.raises(InvalidParameterError, match="learning_rate"):
        PretrainingRecipe("gpt2", 2, 16, learning_rate=-1.0)
    with pytest.raises(InvalidParameterError, match="vocabulary=256"):
        begin(PretrainingRecipe("gpt2", 2, 16, vocabulary=256))


def test_a_training_that_diverges_says_so() -> None:
    training = begin(PretrainingRecipe("imagegpt", 1, 8, heads=1, vocabulary=4, steps=3))
    with torch.no_grad():
        next(training.lesson.network.parameters()).fill_(float("nan"))
    with pytest.raises(InvalidParameterError, match="the loss of step 1 is nan"):
        training.advance(1)


def test_every_family_names_what_it_reads() -> None:
    revisions = {family: data_revision(family) for family in SMALL}
    assert len(set(revisions.values())) == 3
    assert revisions["imagegpt"] == digits("all").revision
