"""Sample ids: repeats are found exactly, whatever their hashes; digests do not change."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from repscape import sample_ids
from repscape.sample_ids import SeenIds, as_ids, digest_ids, first_repeat, first_repeat_among


@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_the_first_repeat_is_found_in_long_lists(kind):
    ids = np.arange(10_000)
    ids = ids if kind == "numbers" else np.char.mod("sample/%d", ids)
    assert first_repeat(ids) is None
    ids[9_000], ids[9_500] = ids[17], ids[3]
    assert first_repeat(ids) == (17, 9_000)


def test_texts_of_other_widths_are_compared_by_their_letters():
    parts = [np.asarray(["a", "b"]), np.asarray(["abc", "b"]), np.asarray(["ab"])]
    assert first_repeat_among(lambda: parts) == (1, 3)
    assert first_repeat(np.asarray(["a", "", "ab", "ba", "\ud800", "\U0010ffff"])) is None


def test_equal_hashes_of_different_ids_are_no_repeat(monkeypatch):
    monkeypatch.setattr(sample_ids, "_random_numbers", lambda n, lane: np.ones(n, np.uint64))
    assert first_repeat(np.asarray(["ab", "ba", "c"])) is None
    assert first_repeat(np.asarray(["ab", "ba", "ab"])) == (0, 2)


def test_ids_that_come_in_batches_are_told_apart():
    seen = SeenIds()
    generator = np.random.default_rng(0)
    order = generator.permutation(5_000)
    start = 0
    while start < len(order):
        stop = start + int(generator.integers(1, 300))
        assert seen.add(np.char.mod("%d", order[start:stop])) is None
        start = stop
    assert len(seen) == 5_000
    place = 1234
    assert seen.add(np.asarray(["new", str(order[place])])) == (place, 5_001)
    assert seen.add(np.asarray(["x", "y", "x"])) == (5_000, 5_002)


def test_ids_that_differ_in_one_half_of_their_hash_are_told_apart(monkeypatch):
    def one_lane(count, lane):
        return np.arange(1, count + 1, dtype=np.uint64) if lane else np.ones(count, np.uint64)

    monkeypatch.setattr(sample_ids, "_random_numbers", one_lane)
    seen = SeenIds()
    assert seen.add(np.asarray(["ab", "ba"])) is None
    assert seen.add(np.asarray(["bca", "acb"])) is None
    assert seen.add(np.asarray(["acb"])) == (3, 4)


def test_digests_are_those_of_the_whole_list():
    texts = np.char.mod("s%d", np.arange(9_000))
    joined = "\x1f".join(["str", *texts.tolist()])
    assert digest_ids(texts) == hashlib.sha256(joined.encode()).hexdigest()[:16]
    assert digest_ids(np.asarray([3])) != digest_ids(np.asarray(["3"]))


def test_what_is_no_number_becomes_text():
    assert as_ids([1, 2]).dtype == np.int64
    assert as_ids([("a", 1), None][1:]).tolist() == ["None"]
