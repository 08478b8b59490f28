"""Samples at which the network itself fails: skipped and listed, or the run stops at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from toy_texts import CharacterModel, Characters, character_model, texts

from repscape.data.load_data import load_data
from repscape.errors import InvalidRepresentationError, ModelFailedError, NonFiniteError
from repscape.extract.extract import extract
from repscape.extract.skipping import SkippedSamplesWarning
from repscape.store import Store

BAD = (3, 70, 75, 140)
LAYERS, POOLINGS = ["net.embed", "net"], ["mean", "none"]


class Picky(Characters):
    """Raises, or gives NaN, for a text with a tilde; is broken after so many passes."""

    def __init__(self, how: str = "raise", passes: float = np.inf) -> None:
        super().__init__()
        self.how, self.passes = how, passes

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        bad = (tokens == ord("~")).any(1)
        self.passes -= 1
        if self.passes < 0:
            raise RuntimeError("CUDA error: device-side assert triggered")
        if bad.any() and self.how == "raise":
            raise ValueError("I dislike tildes")
        if bad.any() and self.how == "together":
            if len(tokens) > 1:
                raise ValueError("not in company")
            bad[:] = False
        x = super().forward(tokens)
        return torch.where(bad[:, None, None], torch.nan, x)


class AtTheEnd(nn.Module):
    """So that the layer `net` gives what the network gives."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.net(tokens)


def picky(how: str = "raise", passes: float = np.inf) -> CharacterModel:
    torch.manual_seed(0)
    return replace(character_model(), module=AtTheEnd(Picky(how, passes)).eval())


def tilded(n: int = 150, bad: tuple[int, ...] = BAD):
    return load_data(
        [(i, text + "~" if k in bad else text, y) for k, (i, text, y) in enumerate(short(n))]
    )


def short(n: int) -> list[tuple[str, str, int]]:
    return [(identity, text[:20], label) for identity, text, label in texts(n)]


def kept(n: int = 150, bad: tuple[int, ...] = BAD) -> list[str]:
    return [f"t{k}" for k in range(n) if k not in bad]


def shards(root):
    return {p.name: p.read_bytes() for p in root.rglob("*.safetensors") if "shard" in p.name}


def test_they_stop_the_run_or_are_left_out_as_if_they_had_not_been_there(tmp_path):
    arguments = {"batch_size": 8, "shard_rows": 64}
    with pytest.raises(ValueError, match="I dislike tildes"):
        extract(picky(), tilded(), LAYERS, POOLINGS, **arguments)
    stores = {name: Store(tmp_path / name) for name in ("skip", "clean")}
    found = extract(
        picky(), tilded(), LAYERS, POOLINGS, store=stores["skip"], on_error="skip", **arguments
    )
    with pytest.warns(SkippedSamplesWarning, match=r"4 of 150 samples were left .*'t3'") as said:
        in_memory = extract(picky(), tilded(), LAYERS, POOLINGS, on_error="skip", **arguments)
    clean = load_data([one for k, one in enumerate(short(150)) if k not in BAD])
    expected = extract(picky(), clean, LAYERS, POOLINGS, store=stores["clean"], **arguments)
    assert list(found) == list(expected) == list(in_memory)
    for name, rep in expected.items():
        for other in (found[name], in_memory[name]):
            assert np.array_equal(other.values, rep.values)
            assert other.sample_ids.tolist() == rep.sample_ids.tolist()
            assert other.labels.tolist() == rep.labels.tolist()
    keys = [rep.key for rep in found.values()]
    listed = stores["skip"].manifest(keys[0]).beside["skipped"]
    assert said[0].message.skipped == listed
    said = "of iterable: the network fails at it: ValueError: I dislike tildes"
    assert listed == {f"t{k}": f"sample 't{k}' {said}" for k in BAD}
    assert found["net[mean]"].sample_ids.tolist() == kept()
    assert len(stores["skip"].keys("failures")) == 3  # found shard by shard: 70 and 75 share one
    assert {p.name for p in (tmp_path / "clean").rglob("shard*.safetensors")} <= {
        p.name for p in (tmp_path / "skip").rglob("shard*.safetensors")
    }
    # The same call again knows them, and runs the network no more.
    again = picky(passes=0)
    same = extract(
        again, tilded(), LAYERS, POOLINGS, store=stores["skip"], on_error="skip", **arguments
    )
    assert [rep.key for rep in same.values()] == keys


def test_what_was_made_before_a_bad_sample_is_not_made_again(tmp_path):
    """One sample of 150, in shards of 16: a shard and the passes that look for it."""
    sizes = []
    for bad in ((), (100,)):
        model = picky()
        for store in (None, Store(tmp_path / str(bad))):
            model.module.net.sizes.clear()
            data = tilded(bad=bad)
            extract(model, data, "net", store=store, on_error="skip", batch_size=8, shard_rows=16)
            sizes.append(sum(model.module.net.sizes))
    probe, shard, singles = 3, 16, 8
    assert sizes[0] == sizes[1] == 150 + probe
    assert sizes[2] <= sizes[0] + probe + shard + singles
    assert sizes[3] <= sizes[1] + probe + 2 * shard + singles


@pytest.mark.parametrize("stop_after", [48, 96])
def test_an_interrupted_run_gives_the_same_bytes_and_the_same_list(tmp_path, stop_after):
    def stop(done, total):
        if done == stop_after:
            raise KeyboardInterrupt

    arguments = {"on_error": "skip", "batch_size": 8, "shard_rows": 48}
    whole, resumed = Store(tmp_path / "whole"), Store(tmp_path / "resumed")
    one = extract(picky(), tilded(), "net", POOLINGS, store=whole, **arguments)
    with pytest.raises(KeyboardInterrupt):
        extract(picky(), tilded(), "net", POOLINGS, store=resumed, progress=stop, **arguments)
    two = extract(picky(), tilded(), "net", POOLINGS, store=resumed, **arguments)
    for name, rep in one.items():
        assert two[name].key == rep.key
        entries = [[e.name for e in s.manifest(rep.key).files] for s in (whole, resumed)]
        assert entries[0] == entries[1]
        besides = [s.manifest(rep.key).beside["skipped"] for s in (whole, resumed)]
        assert besides[0] == besides[1]
        assert set(besides[0]) == {f"t{k}" for k in BAD}
    assert resumed.verify() == []


class Late(nn.Module):
    """Fails after its first layer, at what is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 2)
        self.last = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        if not x.isfinite().all():
            raise ValueError("infinite")
        return self.last(x)


@pytest.mark.parametrize("pooling", ["last_token", "none"])
def test_layers_of_which_some_are_there_already_go_on_together(tmp_path, pooling):
    """What does not run as far as the failing part has no bad samples by itself."""
    arguments = {"store": Store(tmp_path), "on_error": "skip", "batch_size": 8, "shard_rows": 16}
    arguments |= {"allow_non_finite": True, "pooling": pooling}
    torch.manual_seed(0)
    module = Late()
    given = [np.full((5, 2), np.inf if k == 44 else k, np.float32) for k in range(60)]
    first = extract(module, load_data(given), "embed", **arguments)["embed"]
    rows = 5 if pooling == "none" else 1
    assert first.n == 60 * rows
    both = extract(module, load_data(given), ["embed", "last"], **arguments)
    assert {rep.n for rep in both.values()} == {59 * rows}
    assert both["embed"].key != first.key
    without = np.delete(first.values, range(44 * rows, 45 * rows), axis=0)
    assert np.array_equal(both["embed"].values, without)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_samples_of_which_a_layer_is_not_finite_are_bad_samples(batch_size):
    data = tilded(40, bad=(0, 1, 2, 39))
    with pytest.raises(NonFiniteError, match="sample 't0'"):
        extract(picky("nan"), data, "net", batch_size=batch_size)
    found = extract(picky("nan"), data, "net", on_error="skip", batch_size=batch_size)["net"]
    assert found.sample_ids.tolist() == kept(40, (0, 1, 2, 39))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_bad_samples_at_the_very_beginning(batch_size):
    data = tilded(40, bad=(0, 1, 2, 3, 5))
    found = extract(picky(), data, "net", on_error="skip", batch_size=batch_size)["net"]
    assert found.sample_ids.tolist() == kept(40, (0, 1, 2, 3, 5))


@pytest.mark.parametrize("passes", [0, 1, 6])
def test_a_broken_network_is_no_bad_sample(tmp_path, passes):
    """From the beginning, or from the middle on: the run stops, and nothing is listed."""
    store = Store(tmp_path)
    with pytest.raises(ModelFailedError, match="device-side assert"):
        extract(
            picky(passes=passes), tilded(bad=()), "net", store=store, on_error="skip", batch_size=8
        )
    assert store.keys("failures") == []
    with pytest.raises(ValueError, match="tildes"):
        extract(picky(), tilded(20, tuple(range(20))), "net", on_error="skip")


def test_a_batch_that_fails_though_none_of_its_samples_does_stops_the_run():
    with pytest.raises(ValueError, match="not in company"):
        extract(picky("together"), tilded(), "net", on_error="skip", batch_size=8)


def test_samples_of_another_size_are_left_out_and_none_left_is_an_error():
    arrays = [np.full(3 if k == 9 else 2, k, np.float32) for k in range(20)]
    module = nn.Sequential(nn.Linear(2, 4))
    for size in (1, 4):
        found = extract(module, load_data(arrays), "0", on_error="skip", batch_size=size)["0"]
        assert found.sample_ids.tolist() == [k for k in range(20) if k != 9]
    with pytest.raises(ModelFailedError, match=r"Sequential on iterable.*on_error='skip'"):
        extract(module, load_data(arrays[9:10]), "0")
    only = load_data([("a", "", 0)])
    with pytest.raises(InvalidRepresentationError, match="none of the 1 samples of iterable can"):
        extract(picky(), only, "net", on_error="skip")


@pytest.mark.slow
def test_several_processes_leave_out_the_same(tmp_path):
    arguments = {"on_error": "skip", "batch_size": 8, "shard_rows": 16}
    for name, devices in (("one", None), ("two", ["cpu", "cpu:0"])):
        store = Store(tmp_path / name)
        data = tilded(60, (17, 30))
        found = extract(picky(), data, "net", store=store, devices=devices, **arguments)["net"]
    assert shards(tmp_path / "one") == shards(tmp_path / "two")
    assert found.sample_ids.tolist() == kept(60, (17, 30))
    one, two = (
        Store(tmp_path / name).manifest(found.key).beside["skipped"] for name in ("one", "two")
    )
    assert one == two
    assert set(one) == {"t17", "t30"}
