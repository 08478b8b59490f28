from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repscape.data.load_data import load_data
from repscape.errors import CorruptArtefactError, InvalidParameterError
from repscape.execution.run import run_tasks
from repscape.store import Store
from repscape.training.pretrained import (
    LOSSES,
    checkpoint_tasks,
    load_pretrained,
    write_pretrained,
)
from repscape.training.pretraining import PretrainingRecipe, Training, begin

pytest.importorskip("transformers", reason="the extra 'hub' is not installed")

RECIPE = PretrainingRecipe("imagegpt", 2, 16, heads=2, vocabulary=6, steps=10)


def test_checkpoints_go_on_from_one_another(tmp_path: Path) -> None:
    tasks = checkpoint_tasks(RECIPE, [0, 4])
    assert list(tasks) == [0, 4, 10]
    store = Store(tmp_path / "store")
    result = run_tasks([tasks[10]], store)
    assert len(result.made) == 3
    assert len(store.manifest(tasks[10].key).metadata[LOSSES]) == 10
    alone = checkpoint_tasks(RECIPE)
    assert list(alone) == [10]
    run_tasks(list(alone.values()), store)
    first, second = (store.read_arrays(each[10].key) for each in (tasks, alone))
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_a_training_that_was_stopped_repeats_one_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, whole = Store(tmp_path / "stopped"), Store(tmp_path / "whole")
    tasks = checkpoint_tasks(RECIPE, [4])
    run_tasks([tasks[10]], whole)
    advance, seen = Training.advance, []

    def stopped(self: Training, until: int) -> None:
        seen.append((self.step, until))
        advance(self, until)
        if until == 10 and len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "advance", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_tasks([tasks[10]], store)
    assert store.has(tasks[4].key)
    assert not store.has(tasks[10].key)
    run_tasks([tasks[10]], store)
    assert seen == [(0, 4), (4, 10), (4, 10)]
    for key in (tasks[4].key, tasks[10].key):
        mine, theirs = store.manifest(key), whole.manifest(key)
        assert [f.to_dict() for f in mine.files] == [f.to_dict() for f in theirs.files]


def test_a_checkpoint_is_a_folder_of_transformers(tmp_path: Path) -> None:
    import transformers

    store = Store(tmp_path / "store")
    task = checkpoint_tasks(RECIPE)[10]
    run_tasks([task], store)
    write_pretrained(store, task.key, tmp_path / "folder")
    network = transformers.ImageGPTForCausalImageModeling.from_pretrained(tmp_path / "folder")
    stored = store.read_arrays(task.key)
    for name, parameter in network.named_parameters():
        np.testing.assert_array_equal(parameter.detach(), stored[f"weights/{name}"])


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"no checkpoint after 11 steps.* has 10"):
        checkpoint_tasks(RECIPE, [4, 11])


def test_a_broken_checkpoint_is_never_gone_on_from(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tasks = checkpoint_tasks(RECIPE, [4])
    run_tasks([tasks[4]], store)
    file = next((tmp_path / "store").rglob(f"{tasks[4].key}/*.safetensors"))
    file.write_bytes(file.read_bytes()[:-4])
    result = run_tasks([tasks[10]], store)
    assert not store.has(tasks[10].key)
    assert len(result.failed) == 1
    with pytest.raises(CorruptArtefactError):
        store.read_arrays(tasks[4].key)


@pytest.mark.parametrize(
    ("recipe", "data", "modality"),
    [
        (
            PretrainingRecipe("gpt2", 2, 16, heads=2, vocabulary=300, context=32, steps=1),
            "python-docs",
            "text",
        ),
        (RECIPE, "digits", "image"),
        (PretrainingRecipe("esm", 2, 16, heads=2, steps=1), "protein-families", "protein"),
    ],
)
def test_a_checkpoint_is_read_as_a_published_model_is(
    tmp_path: Path, recipe: PretrainingRecipe, data: str, modality: str
) -> None:
    store = Store(tmp_path / "store")
    task = checkpoint_tasks(recipe)[recipe.steps]
    run_tasks([task], store)
    model, again = load_pretrained(store, task.key), load_pretrained(store, task.key)
    assert (model.modality, model.revision) == (modality, again.revision)
    assert "repscape-" not in model.preprocessing  # the temporary folder
    assert {"block.1.input_norm", "final_norm"} <= set(model.aliases)
    source = load_data(data)
    inputs = model.collate([model.prepare(source[row].content) for row in (0, 1, 2)])
    if modality == "image":
        trained_on = begin(recipe).lesson._tokens[:3]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(inputs.token_ids[:, 1:], trained_on[:, :-1])
    if modality == "protein":
        lengths = [len(source[row].content) for row in (0, 1, 2)]
        assert inputs.mask.sum(dim=1).tolist() == lengths
