from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from repscape.data.arrays import ArrayData
from repscape.errors import ArtefactMissingError, CorruptArtefactError, InvalidParameterError
from repscape.store import Store
from repscape.tasks import Task
from repscape.training.checkpoint import (
    checkpoint_recipe,
    load_network,
    trained,
    training_task,
)
from repscape.training.train import TrainingRecipe, train

RECIPE = TrainingRecipe("mlp", "supervised", seed=0, epochs=1)


@pytest.fixture(scope="module")
def data(training: ArrayData) -> ArrayData:
    return training.rows(np.arange(200), "first 200")


@pytest.mark.parametrize("architecture", ["cnn", "mlp", "transformer"])
def test_a_stored_network_is_the_trained_one_bit_by_bit(
    architecture: str, data: ArrayData, tmp_path: Path
) -> None:
    recipe = TrainingRecipe(architecture, "self-supervised", seed=0, epochs=1)
    images, labels = torch.from_numpy(data.inputs), torch.from_numpy(data.labels)
    expected = train(recipe, images, labels)
    network = trained(recipe, data, Store(tmp_path))
    assert list(network.state_dict()) == list(expected.network.state_dict())
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert not network.training
    manifest = Store(tmp_path).manifest(checkpoint_recipe(recipe, data).key)
    assert manifest.metadata["losses"] == list(expected.losses)


def test_a_network_is_trained_once(data: ArrayData, tmp_path: Path) -> None:
    epochs: list[int] = []
    for _ in range(2):
        trained(RECIPE, data, Store(tmp_path), lambda epoch, _loss: epochs.append(epoch))
    assert epochs == [1]


def test_the_task_makes_what_it_names(held_out: ArrayData, tmp_path: Path) -> None:
    store, task = Store(tmp_path), training_task(RECIPE, held_out)
    with pytest.raises(ArtefactMissingError, match=task.key):
        load_network(task.recipe, store)
    Task.from_dict(json.loads(json.dumps(task.to_dict()))).make(store)
    assert store.keys("checkpoint") == [task.key] == [checkpoint_recipe(RECIPE, held_out).key]
    assert task.label == "train mlp/supervised/0"
    assert task.resources.cpus == 1
    network = load_network(task.recipe, store)
    again = trained(RECIPE, held_out, Store(tmp_path / "again"))
    assert torch.equal(network.head.weight, again.head.weight)


def test_a_task_refuses_to_train_on_other_data_than_its_recipe_names(
    data: ArrayData, tmp_path: Path
) -> None:
    task = training_task(RECIPE, replace(data, split="train"))
    with pytest.raises(InvalidParameterError, match="the split 'train' of the digits is"):
        task.make(Store(tmp_path))
    assert Store(tmp_path).keys() == []


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "cnn"},
        {"objective": "self-supervised"},
        {"seed": 1},
        {"epochs": 2},
        {"batch_size": 20},
        {"learning_rate": 1e-3},
        {"weight_decay": 0.0},
    ],
)
def test_whatever_changes_the_network_changes_the_key(
    change: dict[str, object], data: ArrayData
) -> None:
    changed = replace(RECIPE, **change)
    assert checkpoint_recipe(changed, data).key != checkpoint_recipe(RECIPE, data).key


def test_other_data_change_the_key_and_another_name_for_them_does_not(data: ArrayData) -> None:
    key = checkpoint_recipe(RECIPE, data).key
    assert checkpoint_recipe(RECIPE, replace(data, split="another name")).key == key
    assert checkpoint_recipe(RECIPE, replace(data, inputs=1 - data.inputs)).key != key
    assert checkpoint_recipe(RECIPE, replace(data, labels=9 - data.labels)).key != key


def test_an_altered_checkpoint_is_never_served(held_out: ArrayData, tmp_path: Path) -> None:
    task = training_task(RECIPE, held_out)
    task.make(Store(tmp_path))
    (file,) = (tmp_path / "checkpoint" / task.key).glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    with pytest.raises(CorruptArtefactError, match=file.name):
        trained(RECIPE, held_out, Store(tmp_path))


def test_the_run_time_stands_beside_the_content(held_out: ArrayData, tmp_path: Path) -> None:
    task = training_task(RECIPE, held_out)
    task.make(Store(tmp_path))
    manifest = Store(tmp_path).manifest(task.key)
    assert set(manifest.beside) == {"device", "threads", "seconds"}
    assert set(manifest.metadata) == {"losses"}


RUN = """
import json, os, signal, sys
import numpy as np
from repscape.data.digits import digits
from repscape.store import Store
from repscape.training.checkpoint import trained
from repscape.training.train import TrainingRecipe

root, kill_in = sys.argv[1], int(sys.argv[2])
data = digits("train").rows(np.arange(200), "first 200")
store, begun = Store(root), []
for seed in range(4):
    def progress(epoch, loss):
        if epoch == 1:
            begun.append(seed)
            if len(begun) == kill_in:
                os.kill(os.getpid(), signal.SIGKILL)
    trained(TrainingRecipe("mlp", "supervised", seed, epochs=2), data, store, progress)
print(json.dumps(begun))
"""


def run(root: Path, kill_in: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(root), str(kill_in)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_killed_run_goes_on_after_the_last_finished_network(
    data: ArrayData, tmp_path: Path
) -> None:
    broken, whole = Store(tmp_path / "broken"), Store(tmp_path / "whole")
    killed = run(broken.root, kill_in=3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(broken.keys("checkpoint")) == 2
    assert json.loads(run(broken.root).stdout) == [2, 3]
    for seed in range(4):
        recipe = TrainingRecipe("mlp", "supervised", seed, epochs=2)
        found = trained(recipe, data, broken, lambda *_: pytest.fail("trained again"))
        expected = trained(recipe, data, whole).state_dict()
        assert all(torch.equal(found.state_dict()[name], expected[name]) for name in expected)
    assert broken.keys("checkpoint") == whole.keys("checkpoint")
