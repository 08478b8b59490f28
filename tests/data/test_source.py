from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from repscape.data.digits import digits
from repscape.data.images import as_pil, read_image
from repscape.data.load_data import load_data
from repscape.data.source import DataSource, Sample
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    MissingLabelsError,
    SampleError,
    SampleMismatchError,
    UnknownNameError,
)


def source(n: int = 300, **given) -> DataSource:
    return DataSource(
        name="numbers",
        ids=np.asarray([f"n{i:03d}" for i in range(n)]),
        readers={"text": [f"text {i}" for i in range(n)], "image": list(range(n))},
        find_revision=lambda: "r1",
        labels=np.arange(n) % 3,
        columns={"square": np.arange(n) ** 2},
        **given,
    )


def test_a_sample_carries_id_content_label_and_columns():
    data = source()
    assert data[7] == Sample("n007", "text 7", 1, {"square": 49})
    assert [s.id for s in data][:2] == ["n000", "n001"]
    assert (len(data), data.modality, data.revision, data.split) == (300, "text", "r1", "all")


def test_views_are_the_same_samples_in_another_modality():
    data = source().subset(first=5).view("image")
    assert [s.content for s in data] == [0, 1, 2, 3, 4]
    assert data.ids.tolist() == source().ids[:5].tolist()
    assert data.revision == "r1+image"
    with pytest.raises(InvalidParameterError, match=r"no samples of modality 'protein', only 't"):
        source().view("protein")


def test_random_subsets_are_nested_hashed_and_in_the_order_of_the_data():
    small, large = source().subset(random=30), source().subset(random=100)
    assert set(small.ids) < set(large.ids)
    assert large.ids.tolist() == sorted(large.ids)
    assert [s.content for s in small] == [f"text {int(i[1:])}" for i in small.ids]
    assert small.labels.tolist() == [int(i[1:]) % 3 for i in small.ids]
    assert small.split == "all[random=30,seed=0]"
    others = [source().subset(random=30, seed=1), source(split="test").subset(random=30)]
    assert all(set(other.ids) != set(small.ids) for other in others)
    # The hash is of these words and nothing else, so that it is the same everywhere.
    from hashlib import sha256

    order = sorted(
        source().ids, key=lambda i: sha256(f"numbers\x1fall\x1f0\x1f{i}".encode()).digest()
    )
    assert set(order[:30]) == set(small.ids)
    assert 3 < sum(int(i[1:]) < 75 for i in small.ids) < 14  # drawn from everywhere


def test_balanced_subsets_have_n_of_each_class_and_are_nested():
    small, large = source().subset(per_class=10), source().subset(per_class=40)
    assert np.unique(small.labels, return_counts=True)[1].tolist() == [10, 10, 10]
    assert set(small.ids) < set(large.ids)
    assert small.subset(first=3).split == "all[per_class=10,seed=0][first=3]"
    with pytest.raises(InvalidParameterError, match=r"per_class=101: class 0 .* has 100 samples"):
        source().subset(per_class=101)
    with pytest.raises(MissingLabelsError, match="numbers has no labels"):
        DataSource("numbers", np.arange(3), {"array": [1, 2, 3]}, str).subset(per_class=1)


def test_explicit_ids_and_rows_keep_the_order_given_also_of_a_subset():
    chosen = (
        source().subset(random=50).subset(ids=[source().subset(random=50).ids[k] for k in (4, 2)])
    )
    assert chosen.ids.tolist() == [source().subset(random=50).ids[k] for k in (4, 2)]
    assert [s.content for s in chosen] == [f"text {int(i[1:])}" for i in chosen.ids]
    assert [s.id for s in source().subset(rows=[9, 3])] == ["n009", "n003"]
    assert source().subset(rows=[9, 3]).split != source().subset(rows=[3, 9]).split
    with pytest.raises(SampleMismatchError, match=r"no sample 'x' \(and 1 others"):
        source().subset(ids=["n001", "x", "y"])
    with pytest.raises(InvalidParameterError, match="has the rows 0 … 299"):
        source().subset(rows=[300])
    with pytest.raises(InvalidParameterError, match="first and random given"):
        source().subset(first=1, random=1)
    with pytest.raises(InvalidParameterError, match="first=301: numbers has 300"):
        source().subset(first=301)


def test_duplicate_ids_are_an_error_that_quotes_them():
    with pytest.raises(InvalidRepresentationError, match="'b' comes twice, in rows 1 and 3"):
        load_data([("a", "x"), ("b", "y"), ("c", "z"), ("b", "w")])


def test_an_iterable_gets_ids_modality_and_a_revision_of_its_content():
    texts = load_data(iter(["one", "two"]))
    assert texts.ids.tolist() == [0, 1]
    assert (texts.modality, texts.labels) == ("text", None)
    labelled = load_data([("a", np.zeros(2), 5), ("b", np.ones(2), 6)])
    assert (labelled.modality, labelled.labels.tolist()) == ("array", [5, 6])
    assert texts.revision == load_data(["one", "two"]).revision
    revisions = {
        load_data(x).revision
        for x in (["one", "two"], ["one", "too"], [("0", "one"), ("1", "two")], ["onet", "wo"])
    }
    assert len(revisions) == 4
    sampled = load_data([Sample("s", "x", None, {"page": 3})])
    assert sampled.columns["page"].tolist() == [3]
    assert load_data(["x"], revision="v1").revision == "v1"
    with pytest.raises(InvalidParameterError, match="'b' of iterable has no label"):
        load_data([("a", "x", 1), ("b", "y")])
    with pytest.raises(InvalidParameterError, match=r"mix text \('a'\) and whole numbers \(1\)"):
        load_data([("a", "x"), (1, "y")])


def test_digits_are_those_of_the_training():
    data, arrays = load_data("digits", split="held_out"), digits("held_out")
    assert data.ids.tolist() == arrays.ids.tolist()
    np.testing.assert_array_equal(data[3].content, arrays.inputs[3])
    assert data.revision == arrays.revision
    assert as_pil(data[3].content).size == (8, 8)


def test_a_reader_that_fails_names_the_sample():
    class Broken(list):
        def __getitem__(self, row):
            raise OSError("gone")

    data = DataSource("d", np.asarray(["a"]), {"text": Broken("x")}, str)
    with pytest.raises(SampleError, match=r"sample 'a' of d cannot be read \(OSError: gone\)"):
        data[0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("photos/x", {}, "say what it is: 'folder:photos/x'"),
        ("foldr:x", {}, "did you mean 'folder'"),
        ("digit", {}, "did you mean 'digits'"),
    ],
)
def test_unknown_names_say_what_there_is(name, options, message):
    with pytest.raises(UnknownNameError, match=message):
        load_data(name, **options)


def test_unknown_options_and_missing_locations_are_refused():
    with pytest.raises(InvalidParameterError, match="no option 'splits': did you mean 'split'"):
        load_data("digits", splits="train")
    with pytest.raises(InvalidParameterError, match=r"say which, e\.g\. 'folder:photos'"):
        load_data("folder:")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "no image but a str"),
        (np.full((1, 4, 4), 1.5), "outside"),
        (np.zeros((4, 5, 6)), r"array of shape \(4, 5, 6\): give PIL images, or arrays"),
        (np.zeros((3, 8, 3)), r"may be \(channels, height, width\) or \(height"),
        (np.full((3, 4, 4), 300, np.uint16), r"uint16: give bytes \(uint8\)"),
        (np.zeros(0), "no image"),
    ],
)
def test_what_is_no_image_is_a_bad_sample(content, message):
    with pytest.raises(SampleError, match=message):
        as_pil(content)


def test_images_may_have_their_channels_first_last_or_none():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for image in (pixels, pixels.transpose(2, 0, 1), pixels / 255):
        assert np.array_equal(np.asarray(as_pil(image)), pixels)
    grey = np.repeat(pixels[..., :1], 3, axis=2)
    for image in (pixels[..., 0], pixels[..., :1], pixels[None, ..., 0]):
        assert np.array_equal(np.asarray(as_pil(image)), grey)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_an_image_of_more_than_eight_bits_is_refused_and_not_cut_off(tmp_path, kind):
    """PIL would make 255 of all that is larger."""
    deep = Image.fromarray(np.full((4, 4), 3000, kind))
    deep.save(tmp_path / "deep.tiff")
    with pytest.raises(SampleError, match=f"more than eight bits \\(mode {deep.mode}"):
        as_pil(deep)
    with pytest.raises(SampleError, match="more than eight bits"):
        read_image(tmp_path / "deep.tiff")
