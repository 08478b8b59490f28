"""Extraction from data sources: order, batches by length, bad samples, back-off, output types."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from toy_texts import CONTEXT, character_model, texts

from repscape.data.load_data import load_data
from repscape.data.source import DataSource, Sample
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    NonFiniteError,
    SampleError,
)
from repscape.extract.extract import extract
from repscape.extract.sampled import window_edges
from repscape.store import Store

LAYERS = ["embed", "blocks.*"]


def alone(text: str) -> torch.Tensor:
    """The last block's output for one text, by hand."""
    module = character_model().module
    with torch.no_grad():
        return module(torch.tensor([[ord(c) % 128 for c in text[:CONTEXT]]]))[0]


def test_rows_come_in_the_order_of_the_data_whatever_the_lengths():
    given = texts(150)
    data = load_data(given)
    model = character_model()
    got = extract(model, data, LAYERS, batch_size=16)
    assert list(got) == ["embed", "blocks.0", "blocks.1"]
    assert model.module.sizes[1:] == [16] * 9 + [6]  # the first is the probe
    for name, rep in got.items():
        assert rep.sample_ids.tolist() == [identity for identity, _, _ in given]
        assert rep.labels.tolist() == [label for _, _, label in given]
        one_by_one = extract(character_model(), data, name, batch_size=1)[name]
        np.testing.assert_allclose(rep.values, one_by_one.values, rtol=0, atol=1e-6)
    table = character_model().module.embed.weight.detach().double()
    for row in (0, 70, 149):
        codes = [ord(c) % 128 for c in given[row][1][:CONTEXT]]
        expected = table[codes].mean(0).float()
        np.testing.assert_allclose(got["embed"].values[row], expected, rtol=0, atol=1e-6)


def test_several_poolings_from_one_pass_with_tokens_as_samples():
    given = texts(70)
    model = character_model()
    got = extract(model, load_data(given), "blocks.1", ["mean", "last_token", "none"], batch_size=8)
    assert list(got) == ["blocks.1[mean]", "blocks.1[last_token]", "blocks.1[none]"]
    assert len(model.module.sizes) == 1 + 9
    tokens = got["blocks.1[none]"]
    lengths = [min(len(text), CONTEXT) for _, text, _ in given]
    assert tokens.n == sum(lengths)
    expected = [f"{i}/{k}" for (i, _, _), n in zip(given, lengths, strict=True) for k in range(n)]
    assert tokens.sample_ids.tolist() == expected
    assert tokens.columns["token_id"].tolist() == [
        ord(c) % 128 for _, text, _ in given for c in text[:CONTEXT]
    ]
    assert tokens.labels.tolist() == np.repeat([k % 3 for k in range(70)], lengths).tolist()
    start = sum(lengths[:40])
    np.testing.assert_array_equal(
        got["blocks.1[last_token]"].values[40], tokens.values[start + lengths[40] - 1]
    )
    # The recorder sees what goes through the linear layer, before the tanh.
    by_hand = alone(given[40][1])
    np.testing.assert_allclose(
        np.tanh(tokens.values[start : start + lengths[40]]), by_hand, rtol=0, atol=1e-6
    )


def test_truncation_is_recorded_for_every_sample_and_metadata_travels():
    data = load_data(
        [Sample(k, text, None, {"pages": k * k}) for k, (_, text, _) in enumerate(texts(60))]
    )
    rep = extract(character_model(), data, "embed")["embed"]
    longer = [len(text) > CONTEXT for _, text, _ in texts(60)]
    assert 0 < sum(longer) < 60
    assert rep.columns["truncated"].tolist() == longer
    assert rep.columns["pages"].tolist() == [k * k for k in range(60)]
    assert rep.labels is None


def test_float16_rows_and_values_that_do_not_fit(tmp_path):
    data = load_data(texts(20))
    store = Store(tmp_path)
    full = extract(character_model(), data, "embed", store=store)["embed"]
    half = extract(character_model(), data, "embed", store=store, output_dtype="float16")["embed"]
    assert half.values.dtype == np.float16
    assert half.key != full.key
    np.testing.assert_array_equal(half.values, full.values.astype(np.float16))
    big = nn.Sequential(nn.Linear(1, 1, bias=False))
    nn.init.constant_(big[0].weight, 1e5)
    arrays = load_data([("a", np.zeros(1, np.float32)), ("b", np.ones(1, np.float32))])
    with pytest.raises(NonFiniteError, match=r"'0' gives 100000 for sample 'b' .* float16 holds"):
        extract(big, arrays, "0", output_dtype="float16")
    with pytest.raises(InvalidParameterError, match="did you mean 'float16'"):
        extract(big, arrays, "0", output_dtype="float61")


# ---------------------------------------------------------------- bad samples


def broken(n: int = 40, bad: tuple[int, ...] = (7, 20)) -> DataSource:
    given = texts(n)
    return load_data([(i, "" if k in bad else text, y) for k, (i, text, y) in enumerate(given)])


def test_a_bad_sample_stops_the_run_at_once_and_full_shards_stay(tmp_path):
    store = Store(tmp_path)
    data = broken(bad=(33,))
    arguments = {"store": store, "shard_rows": 8, "batch_size": 4}
    with pytest.raises(SampleError, match="sample 't33' of iterable: its text is empty"):
        extract(character_model(), data, "embed", **arguments)
    assert len(list(tmp_path.rglob("shard-*.safetensors"))) >= 2
    assert store.keys("representation") == []


def test_bad_samples_are_skipped_listed_and_part_of_the_key(tmp_path):
    store = Store(tmp_path)
    data = broken()
    rep = extract(character_model(), data, "embed", store=store, on_error="skip")["embed"]
    kept = [i for k, (i, _, _) in enumerate(texts(40)) if k not in (7, 20)]
    assert rep.sample_ids.tolist() == kept
    assert rep.labels.tolist() == [k % 3 for k in range(40) if k not in (7, 20)]
    assert store.manifest(rep.key).beside["skipped"] == {
        "t7": "sample 't7' of iterable: its text is empty",
        "t20": "sample 't20' of iterable: its text is empty",
    }
    subset = data.subset(ids=kept)
    same = extract(character_model(), subset, "embed")["embed"]
    np.testing.assert_allclose(rep.values, same.values, rtol=0, atol=1e-6)
    # Found again without reading the samples; other bad samples, other key.
    again = character_model()
    assert extract(again, data, "embed", store=store, on_error="skip")["embed"].key == rep.key
    assert len(again.prepared) <= 3  # the probe
    other = extract(character_model(), broken(bad=(3,)), "embed", store=store, on_error="skip")
    assert other["embed"].key != rep.key


def test_skipping_nothing_gives_what_stopping_gives(tmp_path):
    store, data = Store(tmp_path), load_data(texts(30))
    one = extract(character_model(), data, "embed", store=store, on_error="skip")["embed"]
    two = extract(character_model(), data, "embed", store=store)["embed"]
    assert one.key == two.key
    assert "skipped" not in store.manifest(one.key).beside


def test_no_usable_sample_wrong_modality_and_wrong_options():
    with pytest.raises(InvalidRepresentationError, match="none of the 2 samples of iterable can"):
        extract(character_model(), load_data(["", ""]), "embed", on_error="skip")
    with pytest.raises(InvalidParameterError, match=r"no samples of modality 'text', only 'array'"):
        extract(character_model(), load_data([np.zeros(3)]), "embed")
    data = load_data(texts(3))
    for options, message in [
        ({"on_error": "skpi"}, "did you mean 'skip'"),
        ({"batch_size": 0}, "batch_size=0: give at least 1"),
        ({"workers": 0}, "workers=0: give at least 1"),
    ]:
        with pytest.raises(InvalidParameterError, match=message):
            extract(character_model(), data, "embed", **options)
    batches = [(["a"], torch.zeros(1, 1))]
    with pytest.raises(InvalidParameterError, match="for data sources"):
        extract(nn.Sequential(nn.Linear(1, 1)), batches, "0", batch_size=3)


def test_a_reader_that_raises_anything_is_a_bad_sample():
    class Broken(list):
        def __getitem__(self, row):
            if row == 2:
                raise ZeroDivisionError("inside")
            return super().__getitem__(row)

    data = DataSource("d", np.arange(4), {"text": Broken("abcd")}, lambda: "r")
    with pytest.raises(SampleError, match=r"sample 2 of d cannot be read \(ZeroDivisionError"):
        extract(character_model(), data, "embed")
    kept = extract(character_model(), data, "embed", on_error="skip")["embed"]
    assert kept.sample_ids.tolist() == [0, 1, 3]


# ---------------------------------------------------------------- memory back-off


def test_batches_shrink_until_they_fit_and_the_plan_says_so(tmp_path):
    model = character_model()
    model.module.most = 10
    store = Store(tmp_path)
    got = extract(model, load_data(texts(90)), "*", store=store, batch_size=32, shard_rows=50)
    assert max(size for size in model.module.sizes if size <= 10) == 8
    steps = store.manifest(got["blocks.1"].key).beside["plan"]
    assert [[s["from_row"], s["plan"]["batch_samples"]] for s in steps] == [
        [0, 32],
        [0, 16],
        [0, 8],
    ]
    plain = extract(character_model(), load_data(texts(90)), "*", batch_size=8)
    for name, rep in got.items():
        np.testing.assert_allclose(rep.values, plain[name].values, rtol=0, atol=1e-6)


def test_a_back_off_in_the_middle_holds_from_its_window_on_and_is_followed(tmp_path):
    data = load_data(texts(96))

    def run(store, stop_after=None):
        model = character_model()

        def progress(done, total):
            if done == 32:
                model.module.most = 8  # memory is short from here on
            if done == stop_after:
                raise KeyboardInterrupt

        arguments = {"store": store, "batch_size": 16, "shard_rows": 16, "progress": progress}
        return extract(model, data, "*", **arguments), model.module.sizes

    whole, _ = run(Store(tmp_path / "whole"))
    steps = Store(tmp_path / "whole").manifest(whole["embed"].key).beside["plan"]
    assert [[s["from_row"], s["plan"]["batch_samples"]] for s in steps] == [[0, 16], [32, 8]]
    resumed = Store(tmp_path / "resumed")
    with pytest.raises(KeyboardInterrupt):
        run(resumed, stop_after=64)
    rest, sizes = run(resumed)  # has memory again, but follows the recorded plan
    assert sizes[-4:] == [8] * 4
    assert set(sizes) == {8}
    for name in whole:
        np.testing.assert_array_equal(rest[name].values, whole[name].values)
        paths = [
            sorted(s.root.rglob("*.safetensors")) for s in (Store(tmp_path / "whole"), resumed)
        ]
        assert [p.name for p in paths[0]] == [p.name for p in paths[1]]


def test_layers_begun_with_other_batches_go_on_by_their_own_plans(tmp_path):
    data = load_data(texts(96))

    def stop(done, total):
        if done == 64:
            raise KeyboardInterrupt

    for layer, size in (("embed", 16), ("blocks.1", 8)):
        arguments = {"batch_size": size, "shard_rows": 16}
        extract(character_model(), data, layer, store=Store(tmp_path / "whole"), **arguments)
        with pytest.raises(KeyboardInterrupt):
            extract(
                character_model(),
                data,
                layer,
                store=Store(tmp_path / "resumed"),
                progress=stop,
                **arguments,
            )
    model = character_model()
    extract(model, data, ["embed", "blocks.1"], store=Store(tmp_path / "resumed"), batch_size=32)
    assert sorted(model.module.sizes) == [8] * 4 + [16] * 2  # a third of each, by its own plan
    names = [
        sorted(p.name for p in (tmp_path / s).rglob("shard*.safetensors"))
        for s in ("whole", "resumed")
    ]
    assert names[0] == names[1]


def test_a_sample_that_does_not_fit_by_itself_is_an_error():
    model = character_model()
    model.module.most = 0
    with pytest.raises(torch.OutOfMemoryError) as error:
        extract(model, load_data(texts(5)), "embed")
    assert "at sample 't0'" in error.value.__notes__[0]


# ---------------------------------------------------------------- windows


def test_windows_end_where_shards_end():
    assert list(window_edges(10, 4, 6)) == [(0, 4), (4, 6), (6, 10)]
    assert list(window_edges(5, 64, 2)) == [(0, 2), (2, 4), (4, 5)]
    assert list(window_edges(5, 64, 4096)) == [(0, 5)]
