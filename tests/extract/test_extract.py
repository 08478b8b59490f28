from __future__ import annotations

import tracemalloc
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn
from toy_networks import (
    Blocks,
    Conv,
    Counting,
    Record,
    Reused,
    Tokens,
    Wrapped,
    build,
    images,
    sentences,
    vectors,
)

from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    ModelFailedError,
    NonFiniteError,
    SampleMismatchError,
    UnknownNameError,
)
from repscape.extract.extract import extract
from repscape.extract.models.base import load_model
from repscape.store import Store

X = torch.cat([x for _, x, _ in images(10, 4)])


def evaluated(module, x):
    """What the module gives in evaluation mode, by hand."""
    flags = [(m, m.training) for m in module.modules()]
    with torch.no_grad():
        y = module.eval()(x)
    for m, flag in flags:
        m.training = flag
    return y


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_layer_equals_a_forward_by_hand(dtype):
    network = build(Conv).to(dtype)
    batches = [(ids, x.to(dtype), y) for ids, x, y in images(10, 4)]
    got = extract(network, batches, "*")
    assert list(got) == ["conv1", "norm", "act", "drop", "conv2", "head"]
    with torch.no_grad():
        for position, batch in enumerate(batches):
            rows = slice(4 * position, 4 * position + 4)
            conv1 = network.conv1(batch[1])
            norm = nn.functional.batch_norm(
                conv1, torch.zeros(4, dtype=dtype), torch.ones(4, dtype=dtype)
            )
            conv2 = network.conv2(norm.clamp(min=0))
            for name, output in [("conv1", conv1), ("act", norm.clamp(min=0)), ("conv2", conv2)]:
                mean = output.double().mean((2, 3)).to(dtype)
                torch.testing.assert_close(torch.from_numpy(got[name].values[rows]), mean)
            head = network.head(conv2.mean((2, 3)))
            torch.testing.assert_close(torch.from_numpy(got["head"].values[rows]), head)


def test_an_output_overwritten_in_place_is_kept_as_it_was():
    network = build(Conv)
    got = extract(network, images(10, 10), ["norm", "act"], "flatten")
    assert (got["norm"].values < 0).any()
    np.testing.assert_array_equal(np.maximum(got["norm"].values, 0), got["act"].values)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_upcast_and_recorded(half):
    network = build(Blocks).to(half)
    batches = [(ids, x.to(half), y) for ids, x, y in vectors(6, 4)]
    rep = extract(network, batches, "blocks.3")["blocks.3"]
    assert rep.values.dtype == np.float32
    assert rep.origin.dtype == str(half).removeprefix("torch.")
    by_hand = torch.cat([evaluated(network.blocks[3], x) for _, x, _ in batches])
    np.testing.assert_array_equal(rep.values, by_hand.float().numpy())


def test_one_row_per_token_or_pixel_with_ids_and_labels():
    tokens = extract(build(Tokens), sentences(3, 2), "embed", "none")["embed"]
    assert tokens.sample_ids[:6].tolist() == ["s0/0", "s0/1", "s0/2", "s0/3", "s0/4", "s1/0"]
    assert tokens.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    table = build(Tokens).embed.weight.detach()
    ids = torch.cat([x for _, x, _ in sentences(3, 2)])
    np.testing.assert_array_equal(tokens.values, table[ids.reshape(-1)].numpy())
    mixed = extract(build(Conv), images(4, 3), ["conv1", "head"], "none")
    assert mixed["conv1"].values.shape == (4 * 64, 4)
    assert mixed["head"].sample_ids.tolist() == ["s0", "s1", "s2", "s3"]


def test_what_one_layer_gives_does_not_depend_on_the_others_asked_for():
    network = build(Tokens)
    everything = extract(network, sentences(9, 4), "*")
    for name in everything:
        alone = extract(network, sentences(9, 4), name)[name]
        np.testing.assert_array_equal(alone.values, everything[name].values)


def test_inputs_by_position_by_name_and_with_other_things():
    network = build(Tokens)
    (ids, x, _), *_ = sentences(4, 4)
    plain = extract(network, [(ids, x)], "norm")["norm"].values
    scaled = extract(network, [(ids, (x, 2.0))], "norm")["norm"].values
    named = extract(network, [(ids, {"tokens": x, "scale": 2.0})], "norm")["norm"].values
    np.testing.assert_array_equal(scaled, named)
    assert np.abs(plain - scaled).max() > 0.01


@pytest.mark.parametrize(
    "make",
    [
        lambda x: (x, x + 1),
        lambda x: [None, x],
        lambda x: {"logits": x},
        lambda x: Record("note", x),
    ],
)
def test_the_first_tensor_of_an_output_is_taken(make):
    rep = extract(build(Wrapped, make=make), vectors(4, 4), "inside")["inside"]
    np.testing.assert_array_equal(rep.values, vectors(4, 4)[0][1].numpy())


def test_origin_ids_labels_and_progress():
    calls = []
    got = extract(
        build(Blocks),
        vectors(7, 3),
        "head",
        model="net",
        data="noise",
        data_revision="r1",
        split="test",
        preprocessing="none",
        tags={"seed": "0"},
        progress=lambda done, total: calls.append((done, total)),
    )["head"]
    assert got.sample_ids.tolist() == [f"s{i}" for i in range(7)]
    assert got.labels.tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert calls == [(3, 7), (6, 7), (7, 7)]
    origin = got.origin.to_dict()
    assert len(origin.pop("model_revision")) == 40
    assert origin == {
        "model": "net",
        "layer": "head",
        "pooling": "mean",
        "data": "noise",
        "data_revision": "r1",
        "split": "test",
        "preprocessing": "none",
        "dtype": "float32",
        "tags": {"seed": "0"},
    }


# ---------------------------------------------------------------- calls


def test_a_layer_called_several_times_is_addressed_by_call():
    network = build(Reused)
    got = extract(network, vectors(6, 4), ["block", "middle"])
    assert list(got) == ["block#0", "middle", "block#1", "block#2"]
    x = torch.cat([x for _, x, _ in vectors(6, 4)])
    with torch.no_grad():
        first = network.block(x)
        second = network.block(torch.tanh(first))
        by_hand = [first, torch.tanh(first), second, network.block(second)]
    for name, expected in zip(got, by_hand, strict=True):
        torch.testing.assert_close(torch.from_numpy(got[name].values), expected)
    alone = extract(network, vectors(6, 4), "block#1")
    assert list(alone) == ["block#1"]
    np.testing.assert_array_equal(alone["block#1"].values, got["block#1"].values)


def test_forward_stops_after_the_deepest_layer_in_execution_order():
    counts = Counter()
    network = build(Blocks, counts=counts)  # executes blocks.3, blocks.2, …, head
    whole = extract(network, vectors(20, 4), "*")
    counts.clear()
    got = extract(network, vectors(20, 4), ["blocks.3", "blocks.2"])
    # The first of five batches runs to the end, to learn the order.
    assert counts == {"blocks.3": 5, "blocks.2": 5, "blocks.1": 1, "blocks.0": 1, "head": 1}
    for name, rep in got.items():
        np.testing.assert_array_equal(rep.values, whole[name].values)


def test_forward_stops_after_the_call_asked_for_of_a_layer_that_comes_again():
    counts = Counter()
    network = build(Reused)
    network.middle = Counting(nn.Tanh(), counts, "middle")
    extract(network, vectors(20, 4), "block#0")
    assert counts["middle"] == 1


def test_an_order_that_varies_between_batches_is_followed():
    class Varying(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)
            self.after = nn.Identity()

        def forward(self, x):
            first, second = (self.a, self.b) if x[0, 0] > 0 else (self.b, self.a)
            y = first(x) + second(x)
            return self.after(y)

    network = build(Varying)
    batches = vectors(40, 4)
    assert len({bool(x[0, 0] > 0) for _, x, _ in batches}) == 2
    got = extract(network, batches, ["a", "b"])
    for name in "ab":
        by_hand = torch.cat([evaluated(getattr(network, name), x) for _, x, _ in batches])
        np.testing.assert_array_equal(got[name].values, by_hand.numpy())


class Loop(nn.Module):
    """Calls its layer as often as the input says."""

    def __init__(self):
        super().__init__()
        self.step = nn.Linear(8, 8)
        self.end = nn.Identity()

    def forward(self, x, times):
        for _ in range(times):
            x = self.step(x)
        return self.end(x)


@pytest.mark.parametrize(
    ("layers", "times", "message"),
    [
        ("step", (2, 1), "call #1 of layer 'step' does not happen for this batch"),
        (["step", "end"], (1, 2), "'step' is called at least 2 times for this batch"),
    ],
)
def test_a_number_of_calls_that_varies_is_an_error(layers, times, message):
    x = vectors(4, 4)[0][1]
    batches = [([f"{t}{i}" for i in range(4)], (x, t)) for t in times]
    with pytest.raises(InvalidRepresentationError, match=message):
        extract(build(Loop), batches, layers)
    assert list(extract(build(Loop), batches, "step#0")) == (
        ["step#0"] if times[0] > 1 else ["step"]
    )


def test_early_exit_passes_through_a_model_that_catches_exceptions():
    class Catching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 8)

        def forward(self, x):
            try:
                return self.inner(x)
            except Exception:
                return x

    assert extract(build(Catching), vectors(8, 4), "inner")["inner"].n == 8


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: None, "'inside' gives a NoneType, with no tensor"),
        (lambda x: (None, "x"), r"gives a tuple of \(NoneType, str\)"),
        (lambda x: x.argmax(1, keepdim=True), "torch.int64 numbers"),
        (lambda x: x.sum(1), r"an output of shape \(4,\)"),
        (lambda x: x[:, :0], r"an output of shape \(4, 0\)"),
        (lambda x: x[:1], r"shape \(1, 8\) for a batch of 4 samples.*leave this layer out"),
        (lambda x: x.to_sparse(), "sparse tensor"),
    ],
)
def test_outputs_that_are_no_representation_say_what_came(make, message):
    with pytest.raises(InvalidRepresentationError, match=message):
        extract(build(Wrapped, make=make), vectors(8, 4), "inside")


def test_a_shape_that_changes_across_batches_is_an_error_unless_it_is_pooled_away():
    batches = [(ids, x[:, : 5 - k], y) for k, (ids, x, y) in enumerate(sentences(8, 4))]
    for pooling in ("flatten", "none"):
        with pytest.raises(InvalidRepresentationError, match=r"'embed' changes its shape.*'s4'"):
            extract(build(Tokens), batches, "embed", pooling)
    assert extract(build(Tokens), batches, "embed", "mean")["embed"].values.shape == (8, 8)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_name_layer_and_sample(bad):
    batches = vectors(8, 4)
    batches[1][1][2, 5] = bad
    with pytest.raises(NonFiniteError, match=r"'inside' gives (nan|inf) for sample 's6'"):
        extract(build(Wrapped, make=lambda x: x * 2), batches, "inside")
    kept = extract(build(Wrapped, make=lambda x: x * 2), batches, "inside", allow_non_finite=True)
    assert np.argwhere(~np.isfinite(kept["inside"].values)).tolist() == [[6, 5]]


def test_a_repeated_id_no_batch_and_unknown_names():
    network = build(Blocks)
    batches = [*vectors(4, 4), *vectors(4, 4)]
    with pytest.raises(InvalidRepresentationError, match="sample id 's0' comes twice"):
        extract(network, batches, "head")
    with pytest.raises(InvalidRepresentationError, match="no sample"):
        extract(network, [], "head")
    with pytest.raises(UnknownNameError, match=r"'blok\.\*' matches nothing.*blocks\.0"):
        extract(network, batches, "blok.*")
    with pytest.raises(UnknownNameError, match="'blocks' is never called"):
        extract(network, vectors(4, 4), "blocks")
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        extract(network, vectors(4, 4), "head", "meen")


def test_an_error_of_the_model_says_which_batch():
    def fail(x):
        raise ZeroDivisionError("inside the model")

    with pytest.raises(ZeroDivisionError) as error:
        extract(build(Wrapped, make=fail), vectors(8, 4), "inside")
    assert error.value.__notes__ == ["in the batch of 4 that begins with sample 's0'"]


def test_samples_of_the_wrong_width_are_named_with_model_and_data(tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((3, 8), np.float32))
    model = load_model(torch.nn.Sequential(torch.nn.Linear(4, 5)))
    with pytest.raises(ModelFailedError) as error:
        extract(model, f"npy:{tmp_path / 'wide.npy'}", "0")
    assert str(error.value).startswith(
        "Sequential on npy:wide.npy: in the batch of 3 that begins with sample 0, with shape (3, 8)"
    )
    assert "mat1 and mat2 shapes cannot be multiplied (3x8 and 4x5)" in str(error.value)


# ---------------------------------------------------------------- store


def test_the_folder_of_a_store_will_do(tmp_path):
    network = build(Conv)
    for store in (str(tmp_path / "s"), Store(tmp_path / "s")):
        rep = extract(network, images(4, 2), "conv1", store=store, data_revision="r")["conv1"]
        assert Store(tmp_path / "s").keys("representation") == [rep.key]


def test_with_a_store_the_same_numbers_in_shards(tmp_path):
    network = build(Conv)
    held = extract(network, images(10, 4), "*")
    stored = extract(
        network, images(10, 4), "*", store=Store(tmp_path), data_revision="r", shard_rows=3
    )
    assert list(stored) == list(held)
    for name, rep in stored.items():
        np.testing.assert_array_equal(rep.values, held[name].values)
        assert rep.sample_ids.tolist() == held[name].sample_ids.tolist()
        assert rep.labels.tolist() == held[name].labels.tolist()
        assert len(Store(tmp_path).manifest(rep.key).files) == 4


def test_a_second_time_nothing_is_computed_and_the_names_are_those_of_the_caller(tmp_path):
    counts = Counter()
    network = build(Blocks, counts=counts)
    arguments = {"store": Store(tmp_path), "data_revision": "r"}
    first = extract(network, vectors(10, 4), "blocks.*", **arguments, model="a")
    counts.clear()
    again = extract(network, iter(vectors(10, 4)), "blocks.*", **arguments, model="b")
    assert not counts
    for name, rep in again.items():
        assert rep.key == first[name].key
        assert rep.origin.model == "b"
        np.testing.assert_array_equal(rep.values, first[name].values)


def test_only_missing_layers_are_computed(tmp_path):
    counts = Counter()
    network = build(Blocks, counts=counts)
    arguments = {"store": Store(tmp_path), "data_revision": "r"}
    extract(network, vectors(10, 4), "head", **arguments)
    counts.clear()
    got = extract(network, vectors(10, 4), ["head", "blocks.3"], **arguments)
    assert counts == {"blocks.3": 3}
    whole = extract(network, vectors(10, 4), "*")
    for name, rep in got.items():
        np.testing.assert_array_equal(rep.values, whole[name].values)


def test_the_key_follows_what_determines_the_numbers(tmp_path):
    store = Store(tmp_path)
    plain = {"layers": "blocks.1", "data_revision": "r"}

    def key(seed=0, size=4, **arguments):
        network = build(Blocks, seed=seed)
        (rep,) = extract(network, vectors(6, size), store=store, **plain | arguments).values()
        return rep.key

    assert key() == key(size=3) == key(model="n", data="d", tags={"t": "1"}, shard_rows=2)
    others = [
        key(seed=1),
        key(layers="blocks.2"),
        key(pooling="flatten"),
        key(data_revision="q"),
        key(split="s"),
        key(preprocessing="p"),
        key(model_revision="m"),
    ]
    assert len({key(), *others}) == 8


def test_a_store_needs_a_data_revision(tmp_path):
    with pytest.raises(InvalidParameterError, match="give a commit, version or digest"):
        extract(build(Blocks), vectors(4, 4), "head", store=Store(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        lambda batches: batches[:1],
        lambda batches: [*batches, (["s6"], batches[0][1][:1], [0])],
        lambda batches: [(batches[0][0][::-1], *batches[0][1:]), batches[1]],
    ],
)
def test_other_samples_under_the_same_revision_are_noticed(tmp_path, change):
    arguments = {"store": Store(tmp_path), "data_revision": "r"}
    extract(build(Blocks), vectors(6, 3), "head", **arguments)
    with pytest.raises(SampleMismatchError, match="data_revision= or split="):
        extract(build(Blocks), change(vectors(6, 3)), "head", **arguments)


def test_the_memory_held_does_not_grow_with_the_number_of_samples(tmp_path):
    width, size, shard_rows = 1000, 16, 64
    network = build(Wrapped, make=lambda x: x.repeat(1, width))
    held = []

    def batches():
        for start in range(0, 1600, size):
            held.append(tracemalloc.get_traced_memory()[0])
            yield [f"s{i}" for i in range(start, start + size)], torch.ones(size, 1)

    store = Store(tmp_path)
    tracemalloc.start()
    try:
        extract(network, batches(), "inside", store=store, data_revision="r", shard_rows=shard_rows)
    finally:
        tracemalloc.stop()
    row_bytes = 4 * width
    rows = (np.asarray(held) - held[0]) / row_bytes
    assert rows.max() > shard_rows / 2, "the rows are seen by tracemalloc"
    assert rows.max() < 3 * (shard_rows + size)
    assert rows[-20:].max() < rows[:20].max() + shard_rows
