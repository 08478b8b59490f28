from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.training.networks import ARCHITECTURES, Network
from repscape.training.objectives import OBJECTIVES
from repscape.training.train import TrainingRecipe, train, untrained

KINDS = list(product(ARCHITECTURES, OBJECTIVES))


def digest(network: Network) -> str:
    value = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        value.update(name.encode() + tensor.numpy().tobytes())
    return value.hexdigest()


@pytest.mark.parametrize(("architecture", "objective"), KINDS)
def test_the_same_recipe_gives_the_same_bits(
    architecture: str, objective: str, images: Tensor, labels: Tensor
) -> None:
    recipe = TrainingRecipe(architecture, objective, seed=3, epochs=2)
    first, again = train(recipe, images, labels), train(recipe, images, labels)
    assert digest(first.network) == digest(again.network)
    assert first.losses == again.losses


IN_ANOTHER_PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(2)
torch.manual_seed(99)
from repscape.data.digits import digits
from repscape.training.train import TrainingRecipe, train
from test_train import digest
data = digits("train")
images, labels = torch.from_numpy(data.inputs)[:200], torch.from_numpy(data.labels)[:200]
for architecture in ("cnn", "mlp", "transformer"):
    recipe = TrainingRecipe(architecture, "self-supervised", seed=3, epochs=2)
    print(digest(train(recipe, images, labels).network))
"""


def test_another_process_with_more_threads_gives_the_same_bits(
    images: Tensor, labels: Tensor, request: pytest.FixtureRequest
) -> None:
    here = [
        digest(
            train(TrainingRecipe(name, "self-supervised", seed=3, epochs=2), images, labels).network
        )
        for name in ("cnn", "mlp", "transformer")
    ]
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(request.path.parent)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert here == there


@pytest.mark.parametrize("name", ["seed", "epochs", "batch_size", "learning_rate", "weight_decay"])
def test_every_number_of_the_recipe_changes_the_network(
    name: str, images: Tensor, labels: Tensor
) -> None:
    numbers = {"seed": 0, "epochs": 2, "batch_size": 50, "learning_rate": 1e-3, "weight_decay": 0.1}
    plain = train(TrainingRecipe("mlp", "supervised", **numbers), images, labels)
    numbers[name] *= 2
    numbers[name] += name == "seed"
    changed = train(TrainingRecipe("mlp", "supervised", **numbers), images, labels)
    assert digest(plain.network) != digest(changed.network)


def test_global_random_states_are_neither_used_nor_changed(images: Tensor, labels: Tensor) -> None:
    recipe = TrainingRecipe("transformer", "self-supervised", seed=0, epochs=1)
    results = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 -- the global state is what is tested
        random.seed(seed)
        before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
        results.add(digest(train(recipe, images, labels).network))
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
        assert before[2] == random.getstate()
    assert len(results) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_one_while_training_and_put_back(
    threads: int, images: Tensor, labels: Tensor
) -> None:
    during: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        recipe = TrainingRecipe("mlp", "supervised", seed=0, epochs=2)
        train(recipe, images, labels, lambda _epoch, _loss: during.append(torch.get_num_threads()))
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert during == [1, 1]
    assert after == threads


def test_the_number_of_threads_is_put_back_after_an_error(images: Tensor, labels: Tensor) -> None:
    def stop(_epoch: int, _loss: float) -> None:
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(TrainingRecipe("mlp", "supervised", seed=0), images, labels, stop)
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    assert after == 2


def test_training_works_where_gradients_are_off(images: Tensor, labels: Tensor) -> None:
    recipe = TrainingRecipe("mlp", "supervised", seed=0, epochs=1)
    expected = digest(train(recipe, images, labels).network)
    with torch.no_grad():
        assert digest(train(recipe, images, labels).network) == expected


@pytest.mark.parametrize(("architecture", "objective"), KINDS)
def test_the_loss_falls(architecture: str, objective: str, images: Tensor, labels: Tensor) -> None:
    recipe = TrainingRecipe(architecture, objective, seed=0, epochs=4)
    losses = train(recipe, images, labels).losses
    assert len(losses) == 4
    assert losses[-1] < 0.85 * losses[0]


def test_progress_hears_every_epoch(images: Tensor, labels: Tensor) -> None:
    heard: list[tuple[int, float]] = []
    recipe = TrainingRecipe("mlp", "supervised", seed=0, epochs=3)
    result = train(recipe, images, labels, lambda epoch, loss: heard.append((epoch, loss)))
    assert heard == list(enumerate(result.losses, start=1))


@pytest.mark.parametrize(("architecture", "objective"), KINDS)
def test_training_begins_with_the_untrained_network(
    architecture: str, objective: str, images: Tensor, labels: Tensor
) -> None:
    recipe = TrainingRecipe(architecture, objective, seed=5, epochs=1, learning_rate=0.0)
    assert digest(train(recipe, images, labels).network) == digest(untrained(recipe))


def test_one_seed_begins_with_the_same_hidden_layers_for_both_objectives() -> None:
    first, second = (untrained(TrainingRecipe("cnn", name, seed=0)) for name in OBJECTIVES)
    for name, parameter in first.blocks.named_parameters():
        assert torch.equal(parameter, second.blocks.get_parameter(name)), name


def test_a_recipe_refuses_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="'cnm': did you mean 'cnn'"):
        TrainingRecipe("cnm", "supervised", seed=0)
    with pytest.raises(UnknownNameError, match="'unsupervised': did you mean"):
        TrainingRecipe("cnn", "unsupervised", seed=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("seed", True),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", 1),
        ("learning_rate", -0.1),
        ("learning_rate", float("nan")),
        ("weight_decay", float("inf")),
    ],
)
def test_a_recipe_refuses_bad_numbers(name: str, value: float) -> None:
    with pytest.raises(InvalidParameterError, match=f"{name}={value!r}"):
        TrainingRecipe(**{"architecture": "cnn", "objective": "supervised", "seed": 0, name: value})


def test_equal_numbers_are_equal_recipes() -> None:
    assert repr(TrainingRecipe("mlp", "supervised", 0, learning_rate=1)) == repr(
        TrainingRecipe("mlp", "supervised", 0, learning_rate=1.0)
    )


RECIPE = TrainingRecipe("mlp", "supervised", seed=0, epochs=1)


@pytest.mark.parametrize("shape", [(200, 8, 8), (200, 3, 8, 8), (200, 1, 28, 28), (200, 64)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...], labels: Tensor) -> None:
    with pytest.raises(InvalidParameterError, match="the images have shape"):
        train(RECIPE, torch.zeros(shape), labels)


@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.bfloat16])
def test_images_of_another_type_are_refused(
    dtype: torch.dtype, images: Tensor, labels: Tensor
) -> None:
    with pytest.raises(InvalidParameterError, match=r"give \(n, 1, 8, 8\) and torch.float32"):
        train(RECIPE, images.to(dtype), labels)


@pytest.mark.parametrize("value", [-0.1, 16.0, float("nan")])
def test_pixels_outside_their_range_are_refused(
    value: float, images: Tensor, labels: Tensor
) -> None:
    spoilt = images.clone()
    spoilt[7, 0, 3, 3] = value
    with pytest.raises(InvalidParameterError, match="scale them to 0 … 1"):
        train(RECIPE, spoilt, labels)


def test_labels_that_do_not_fit_are_refused(images: Tensor, labels: Tensor) -> None:
    with pytest.raises(InvalidParameterError, match=r"the labels have shape \(199,\)"):
        train(RECIPE, images, labels[:-1])
    with pytest.raises(InvalidParameterError, match=r"type torch.float32"):
        train(RECIPE, images, labels.float())
    with pytest.raises(InvalidParameterError, match="between 1 and 10: give 0 … 9"):
        train(RECIPE, images, labels + 1)


def test_fewer_images_than_a_batch_are_refused(images: Tensor, labels: Tensor) -> None:
    with pytest.raises(InvalidParameterError, match="49 images do not fill a batch of 50"):
        train(RECIPE, images[:49], labels[:49])


def test_training_that_diverges_is_an_error(images: Tensor, labels: Tensor) -> None:
    recipe = TrainingRecipe("mlp", "supervised", seed=0, epochs=3, learning_rate=1e30)
    with pytest.raises(InvalidParameterError, match=r"mlp/supervised/0 diverged.*1e\+30"):
        train(recipe, images, labels)
