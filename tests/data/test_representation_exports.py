from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from published_exports import random_examples, write_export

from repscape.compare import compare
from repscape.data.representation_exports import (
    check_comparable,
    find_export,
    find_exports,
    load_export,
    read_export_info,
)
from repscape.errors import (
    InvalidParameterError,
    NonFiniteError,
    SampleMismatchError,
    UnknownNameError,
    UnreadableFileError,
)

WIDTH = 8


@pytest.fixture
def examples() -> tuple[list[np.ndarray], list[int]]:
    return random_examples(7, WIDTH, seed=0)


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_final_token_of_the_prompt(tmp_path: Path, examples, shards: int, as_file: bool):
    vectors, prompts = examples
    folder = write_export(tmp_path / "a", vectors, prompts, shards=shards, as_file=as_file)
    rep = load_export(folder)
    expected = [tokens[count - 1] for tokens, count in zip(vectors, prompts, strict=True)]
    np.testing.assert_array_equal(rep.values, np.asarray(expected))
    assert rep.values.dtype == np.float32
    assert rep.sample_ids.tolist() == list(range(7))
    origin = rep.origin
    assert (origin.model, origin.data) == ("org-some-model-7b", "Winogrande")
    assert (origin.pooling, origin.layer, origin.split) == ("last", "output", None)


@pytest.mark.parametrize("value_type", [pa.float16(), pa.float32(), pa.float64()])
def test_the_mean_of_the_prompt_leaves_generated_tokens_out(tmp_path: Path, examples, value_type):
    vectors, prompts = examples
    if value_type == pa.float16():
        vectors = [tokens.astype(np.float16) for tokens in vectors]
    folder = write_export(tmp_path / "a", vectors, prompts, value_type=value_type)
    rep = load_export(folder, "mean")
    expected = [
        tokens[:count].mean(axis=0, dtype=np.float64)
        for tokens, count in zip(vectors, prompts, strict=True)
    ]
    np.testing.assert_allclose(rep.values, expected, rtol=1e-7)
    assert rep.origin.pooling == "mean"


def test_a_known_similarity_comes_through_the_reader(tmp_path: Path) -> None:
    """Rotated, scaled copies have Procrustes distance 0 and CKA 1, whatever was generated."""
    vectors, prompts = random_examples(40, WIDTH, seed=1)
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(WIDTH, WIDTH)))
    turned = [(3 * tokens @ rotation).astype(np.float32) for tokens in vectors]
    for tokens, count in zip(turned, prompts, strict=True):
        tokens[count:] = 7.0
    a = load_export(write_export(tmp_path / "a", vectors, prompts, model="one", shards=2))
    b = load_export(write_export(tmp_path / "b", turned, prompts, model="two"))
    assert compare(a, b, "procrustes[center=false]").value < 1e-6
    assert compare(a, b, "cka[debiased=false]").value == pytest.approx(1.0, abs=1e-6)


def test_fixed_size_lists_and_extra_information(tmp_path: Path, examples) -> None:
    folder = write_export(tmp_path / "zero-shot_validation", *examples)
    fixed = pa.list_(pa.list_(pa.float32(), WIDTH))
    shard = next(folder.glob("*.arrow"))
    table = pa.ipc.open_stream(shard.read_bytes()).read_all()
    position = table.schema.get_field_index("output_embeddings")
    values = pa.array(table["output_embeddings"].to_pylist(), fixed)
    table = table.set_column(position, "output_embeddings", values)
    with pa.OSFile(str(shard), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    rep = load_export(folder)
    assert rep.values.shape == (7, WIDTH)
    assert rep.origin.split == "validation"
    assert read_export_info(folder).information == "{'parameters': '7b'}"


def test_finds_the_zero_shot_folders(tmp_path: Path, examples) -> None:
    for name in ("b-zero-shot", "a-zero-shot", "c-five-shot"):
        write_export(tmp_path / name, *examples)
    assert [folder.name for folder in find_exports(tmp_path)] == ["a-zero-shot", "b-zero-shot"]
    assert len(find_exports(tmp_path, [])) == 3
    with pytest.raises(
        UnreadableFileError, match=r"none of its 3 folders has 'ten-shot'.*containing"
    ):
        find_exports(tmp_path, ["ten-shot"])
    with pytest.raises(UnreadableFileError, match="no such folder"):
        find_exports(tmp_path / "nowhere")


def test_a_missing_shard_is_named(tmp_path: Path, examples) -> None:
    folder = write_export(tmp_path / "a", *examples, shards=3)
    (folder / "data-00001-of-00003.arrow").unlink()
    with pytest.raises(UnreadableFileError, match=r"1 of 3 .* is data-00001-of-00003\.arrow"):
        load_export(folder)


def test_a_shard_that_only_the_state_lists(tmp_path: Path, examples) -> None:
    folder = write_export(tmp_path / "a", *examples)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}, {"filename": "x"}]})
    )
    with pytest.raises(UnreadableFileError, match="the first is x"):
        load_export(folder)


def test_truncated_shards(tmp_path: Path, examples) -> None:
    folder = write_export(tmp_path / "a", *examples)
    shard = next(folder.glob("*.arrow"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnreadableFileError, match=r"data-00000-of-00001\.arrow: not a whole"):
        load_export(folder)


def test_fewer_examples_than_promised(tmp_path: Path, examples) -> None:
    """A stream that ends between two batches is a whole Arrow stream for its reader."""
    vectors, prompts = examples
    folder = write_export(tmp_path / "a", vectors, prompts)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["splits"]["train"]["num_examples"] = 9
    (folder / "dataset_info.json").write_text(json.dumps(info))
    with pytest.raises(UnreadableFileError, match=r"hold 7 examples, but .* promises 9"):
        load_export(folder)


@pytest.mark.parametrize("description", ["", "Representations of llama.", "language model  on the"])
def test_a_description_that_does_not_parse(tmp_path: Path, examples, description: str) -> None:
    folder = write_export(tmp_path / "a", *examples)
    (folder / "dataset_info.json").write_text(json.dumps({"description": description}))
    with pytest.raises(UnreadableFileError, match="does not name a model and a data set"):
        load_export(folder)


@pytest.mark.parametrize("content", ["{", "[1, 2]"])
def test_broken_or_missing_info(tmp_path: Path, examples, content: str) -> None:
    folder = write_export(tmp_path / "a", *examples)
    (folder / "dataset_info.json").write_text(content)
    with pytest.raises(UnreadableFileError, match=r"dataset_info\.json: "):
        load_export(folder)
    (folder / "dataset_info.json").unlink()
    with pytest.raises(UnreadableFileError, match=r"holds no dataset_info\.json"):
        load_export(folder)


def test_lengths_that_disagree_name_the_example(tmp_path: Path, examples) -> None:
    vectors, prompts = examples
    prompts = [*prompts[:5], len(vectors[5]) + 1, *prompts[6:]]
    folder = write_export(tmp_path / "a", vectors, prompts)
    with pytest.raises(
        UnreadableFileError, match=rf"example 5 has {len(vectors[5])} vectors .* {prompts[5]} tok"
    ):
        load_export(folder)


def test_an_empty_prompt_is_refused(tmp_path: Path, examples) -> None:
    vectors, prompts = examples
    folder = write_export(tmp_path / "a", vectors, [0, *prompts[1:]])
    with pytest.raises(UnreadableFileError, match="example 0 has"):
        load_export(folder)


def test_vectors_of_several_widths(tmp_path: Path, examples) -> None:
    vectors, prompts = examples
    within = [vectors[0], np.ones((len(vectors[1]), 3), np.float32), *vectors[2:]]
    with pytest.raises(UnreadableFileError, match="vectors of 3 and of 8 values"):
        load_export(write_export(tmp_path / "a", within, prompts))
    later = [*vectors[:6], np.ones((len(vectors[6]), 3), np.float32)]
    with pytest.raises(UnreadableFileError, match="example 6 has vectors of 3 values"):
        load_export(write_export(tmp_path / "b", later, prompts))


def test_values_that_are_not_finite(tmp_path: Path, examples) -> None:
    vectors, prompts = examples
    vectors[4][prompts[4] - 1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="example 4 has NaN"):
        load_export(write_export(tmp_path / "a", vectors, prompts))
    vectors[4][prompts[4] - 1, 2] = 0.0
    vectors[3][prompts[3], 0] = np.inf  # a generated token, which is not read
    assert load_export(write_export(tmp_path / "b", vectors, prompts)).n == 7


def test_a_missing_column_and_a_wrong_strategy(tmp_path: Path, examples) -> None:
    folder = write_export(tmp_path / "a", *examples)
    shard = next(folder.glob("*.arrow"))
    table = pa.ipc.open_stream(shard.read_bytes()).read_all().drop_columns(["prompt_tokens"])
    with pa.OSFile(str(shard), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UnreadableFileError, match="no column 'prompt_tokens'"):
        load_export(folder)
    with pytest.raises(UnknownNameError, match="did you mean 'final_token'"):
        load_export(folder, "final_tokens")  # type: ignore[arg-type]


def test_exports_of_different_sample_counts(tmp_path: Path, examples) -> None:
    vectors, prompts = examples
    a = load_export(write_export(tmp_path / "a", vectors, prompts, model="one"))
    b = load_export(write_export(tmp_path / "b", vectors[:5], prompts[:5], model="two"))
    with pytest.raises(InvalidParameterError, match=r"Winogrande .* \(one: 7, two: 5\)"):
        check_comparable([a, b])
    check_comparable([a, a])
    with pytest.raises(SampleMismatchError, match="one:output has 7 samples"):
        compare(a, b, "cka")


def test_only_what_is_read_is_loaded(tmp_path: Path) -> None:
    """The final tokens of a long export do not take the memory of the export."""
    rng = np.random.default_rng(3)
    vectors = [rng.normal(size=(5000, 64)).astype(np.float32) for _ in range(4)]
    folder = write_export(tmp_path / "a", vectors, [3, 1, 2, 5])
    size = sum(path.stat().st_size for path in folder.iterdir())
    tracemalloc.start()
    load_export(folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 5_000_000
    assert peak < size / 4


def test_finds_the_export_of_a_model_on_a_data_set(tmp_path: Path, examples) -> None:
    for name, model, data in (
        ("1-zero-shot", "org/llama-7b", "winogrande"),
        ("2-zero-shot", "org/open_llama_7b", "winogrande"),
        ("3-zero-shot", "org/llama-7b", "openai_humaneval"),
        ("4-zero-shot", "broken", "winogrande"),
        ("5-zero-shot", "other/mpt-7b", "winogrande"),
        ("6-zero-shot", "org/mpt-7b", "winogrande"),
    ):
        write_export(tmp_path / name, *examples, model=model, data=data)
    (tmp_path / "4-zero-shot" / "dataset_info.json").write_text("{}")
    assert find_export(tmp_path, "org/llama-7b", "Winogrande").name == "1-zero-shot"
    assert find_export(tmp_path, "llama-7b", "winogrande").name == "1-zero-shot"
    assert find_export(tmp_path, "open-llama-7b", "winogrande").name == "2-zero-shot"
    assert find_export(tmp_path, "llama-7b", "openai-humaneval").name == "3-zero-shot"
    with pytest.raises(UnreadableFileError, match="2 folders hold 'mpt-7b' on 'winogrande'"):
        find_export(tmp_path, "mpt-7b", "winogrande")
    with pytest.raises(
        UnreadableFileError,
        match=r"no export of 'opt' on 'winogrande'; there are: org/llama-7b on winogrande, .*"
        r"4-zero-shot/dataset_info\.json: the description '' does not name",
    ):
        find_export(tmp_path, "opt", "winogrande")
