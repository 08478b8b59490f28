"""One process per device, exercised with two processes on the CPU."""

from __future__ import annotations

import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn
from toy_texts import character_model, texts

from repscape.data.load_data import load_data
from repscape.errors import InvalidParameterError
from repscape.extract.devices import chosen_devices, windows_under_way
from repscape.extract.extract import extract
from repscape.store import Store

TWO = ["cpu", "cpu:0"]


def stored(root):
    return {p.name: p.read_bytes() for p in root.rglob("*.safetensors")}


@pytest.mark.slow
def test_two_processes_give_the_bytes_of_one_also_with_back_off(tmp_path):
    """The memory of these devices holds ten samples: the plan changes while windows are out."""
    for name, devices in (("one", None), ("two", TWO)):
        model = character_model()
        model.module.most = 10
        found = extract(
            model,
            load_data(texts(200)),
            ["embed", "blocks.*"],
            ["mean", "none"],
            store=Store(tmp_path / name),
            batch_size=16,
            shard_rows=40,
            devices=devices,
        )
        assert multiprocessing.active_children() == []
    assert stored(tmp_path / "one") == stored(tmp_path / "two")
    manifest = Store(tmp_path / "two").manifest(found["embed[mean]"].key)
    assert [step["plan"]["batch_samples"] for step in manifest.beside["plan"]] == [16, 8]
    assert manifest.beside["device"] == "cpu,cpu:0"


class Dying(nn.Module):
    """Kills its process at a certain input, or fails."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.inside = nn.Linear(2, 2)
        self.how = how

    def forward(self, x):
        if (x == 7).any():
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("seven")
        return self.inside(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ("kill", RuntimeError, r"the process for device 'cpu.*' ended by itself \(exit code -9\)"),
        ("fail", ValueError, "seven"),
    ],
)
def test_a_worker_that_dies_or_fails_ends_the_run_and_leaves_no_process(
    tmp_path, how, error, message
):
    arrays = load_data([np.full(2, k, np.float32) for k in range(12)])
    store = Store(tmp_path)
    with pytest.raises(error, match=message) as raised:
        extract(Dying(how), arrays, "inside", store=store, batch_size=1, shard_rows=2, devices=TWO)
    if how == "fail":
        assert any("on device 'cpu" in note for note in raised.value.__notes__)
    assert multiprocessing.active_children() == []
    assert len(list(tmp_path.rglob("shard-*.safetensors"))) >= 1
    assert store.keys("representation") == []


def test_all_that_a_kill_can_cost_is_a_shard_of_each_process():
    for workers in range(1, 9):
        for windows in range(1, 65):
            handed_in = windows - 1  # into the shard that is not full yet
            out = windows_under_way(workers, windows)
            assert handed_in + out <= workers * windows
            assert out == (2 * workers if workers > 1 and windows >= 4 else workers)


def test_what_cannot_be_sent_or_named_is_refused():
    class Local(nn.Linear):
        pass

    data = load_data([np.zeros(2, np.float32)])
    with pytest.raises(InvalidParameterError, match="define its classes and functions in a module"):
        extract(nn.Sequential(Local(2, 2)), data, "0", devices=TWO)
    with pytest.raises(InvalidParameterError, match="instead of device="):
        extract(nn.Sequential(nn.Linear(2, 2)), data, "0", devices=TWO, device="cpu")
    with pytest.raises(InvalidParameterError, match="devices is empty"):
        chosen_devices([])
    with pytest.raises(InvalidParameterError, match="devices='gpu7'"):
        chosen_devices("gpu7")


@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="there are GPUs")
def test_all_gpus_of_a_machine_without_one():
    with pytest.raises(InvalidParameterError, match="no GPU that torch sees"):
        chosen_devices("all")
