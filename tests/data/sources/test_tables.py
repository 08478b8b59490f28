from __future__ import annotations

import io
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from repscape.data.load_data import load_data
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    SampleError,
    UnreadableFileError,
)

ROWS = [
    {"id": "q7", "question": "Why?", "choices": ["a", "b"], "label": 1, "page": 3},
    {"id": "q2", "question": "When?", "choices": ["c", "d"], "label": 0, "page": None},
    {"id": "q5", "question": "", "choices": ["e"], "label": 1, "page": 5},
]


def write_lines(path, rows):
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_jsonl_by_a_column_with_id_label_and_metadata(tmp_path):
    data = load_data(f"jsonl:{write_lines(tmp_path / 'q.jsonl', ROWS)}")
    assert data.ids.tolist() == ["q7", "q2", "q5"]
    assert [s.content for s in data] == ["Why?", "When?", ""]
    assert data.labels.tolist() == [1, 0, 1]
    assert data.columns["page"].tolist() == ["3", "", "5"]
    assert "choices" not in data.columns
    assert (data.name, data.modality) == ("jsonl:q.jsonl", "text")


def test_a_template_of_several_columns(tmp_path):
    path = write_lines(tmp_path / "q.jsonl", ROWS)
    data = load_data(f"jsonl:{path}", template="{question} {choices[1]}", label="", columns="")
    assert data[0].content == "Why? b"
    assert (data.labels, dict(data.columns)) == (None, {})
    with pytest.raises(SampleError, match=r"sample 'q5' .* does not fit: list index out of range"):
        data[2]
    plain = load_data(f"jsonl:{path}")
    assert len({data.revision, plain.revision, load_data(f"jsonl:{path}", id="").revision}) == 3
    write_lines(path, [{**ROWS[0], "choices": ["a", None]}])
    with pytest.raises(SampleError, match=r"does not fit: 'choices\[1\]' is missing"):
        load_data(f"jsonl:{path}", template="{question} {choices[1]}")[0]
    for template, message in [
        ("{questoin}", "did you mean 'question'"),
        ("none", "name columns in braces"),
        ("{question.__class__}", "name columns in braces"),
        ("{question", "expected '}'"),
    ]:
        with pytest.raises(InvalidParameterError, match=message):
            load_data(f"jsonl:{path}", template=template)


def test_pairs_of_prompt_and_answer(tmp_path):
    path = write_lines(tmp_path / "q.jsonl", ROWS[:2])
    data = load_data(f"jsonl:{path}", template="Q: {question}", answer="{choices[0]}")
    assert [s.content for s in data] == [("Q: Why?", "a"), ("Q: When?", "c")]
    plain = load_data(f"jsonl:{path}", column="question", answer="id")
    assert plain[0].content == ("Why?", "q7")
    assert plain.revision != load_data(f"jsonl:{path}", column="question").revision
    pair = load_data([("x", ("prompt", "answer"))])
    assert (pair.modality, pair[0].content, len(pair.revision)) == (
        "text",
        ("prompt", "answer"),
        40,
    )


def test_jsonl_errors_name_the_line_or_the_sample(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a"}\n{"text": \n')
    with pytest.raises(UnreadableFileError) as broken:
        load_data(f"jsonl:{path}")
    said = "line 2 is not JSON (Expecting value at its character 11)"
    assert str(broken.value) == f"{path}: {said}"
    path.write_bytes(b'{"text": "a"}\n{"text": "\xff"}\n')
    with pytest.raises(UnreadableFileError, match="line 2 is not UTF-8"):
        load_data(f"jsonl:{path}")
    write_lines(path, [{"text": "a"}, {"other": 1}, {"text": 5}])
    data = load_data(f"jsonl:{path}")
    assert data.ids.tolist() == [0, 1, 2]
    with pytest.raises(SampleError, match=r"sample 1 .* no 'text'"):
        data[1]
    with pytest.raises(SampleError, match="'text' is a int, not text"):
        data[2]
    write_lines(path, [ROWS[0], ROWS[0]])
    with pytest.raises(InvalidRepresentationError) as twice:
        load_data(f"jsonl:{path}")
    assert str(twice.value).startswith(f"jsonl:{path}: sample id 'q7' comes twice, in rows 0 and 1")
    with pytest.raises(UnreadableFileError, match="no such file"):
        load_data("jsonl:nowhere.jsonl")


def test_texts_of_jsonl_are_not_held_in_memory(tmp_path):
    """Of ten megabytes of text, only where the lines begin, ids, and short metadata."""
    rows = [{"id": k, "text": f"{k} " * 2000, "notes": "x" * 3000, "page": k} for k in range(1000)]
    path = write_lines(tmp_path / "long.jsonl", rows)
    size = path.stat().st_size
    del rows
    tracemalloc.start()
    try:
        data = load_data(f"jsonl:{path}")
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 10**7
    assert held < size / 20
    assert peak < size / 2  # a column that turns out to be long text is seen, and let go
    assert list(data.columns) == ["page"]
    assert data[7].content == "7 " * 2000
    named = load_data(f"jsonl:{path}", columns="notes")
    assert named.columns["notes"][3] == "x" * 3000


def test_several_files_in_the_order_of_their_numbers(tmp_path):
    for k in (10, 2, 1):
        write_lines(tmp_path / f"part-{k}.jsonl", [{"text": f"t{k}"}])
    for place in (tmp_path, tmp_path / "part-*.jsonl"):
        assert [s.content for s in load_data(f"jsonl:{place}")] == ["t1", "t2", "t10"]
    assert [s.content for s in load_data(f"jsonl:{tmp_path}/part-{{1..2}}.jsonl")] == ["t1", "t2"]
    with pytest.raises(UnreadableFileError, match=r"part-3\.jsonl: no such file"):
        load_data(f"jsonl:{tmp_path}/part-{{1..3}}.jsonl")


def test_csv_with_a_byte_order_mark_and_with_semicolons(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\nhi;1,2\n", encoding="utf-8-sig")
    data = load_data(f"csv:{path}")
    assert [sample.content for sample in data] == ["hi;1"]
    assert data.labels.tolist() == [2]
    path.write_text("text;label\nhi;1\n")
    with pytest.raises(UnreadableFileError, match=r"only column is 'text;label'.*by commas"):
        load_data(f"csv:{path}")


def test_csv_cells_are_text_as_written_and_numbers_where_all_are(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,sentence,label,weight,code\n007,NA,3,1.5,01\n008,nan,4,2,02\n")
    data = load_data(f"csv:{path}")
    assert data.ids.tolist() == ["007", "008"]
    assert [s.content for s in data] == ["NA", "nan"]
    assert data.labels.tolist() == [3, 4]
    assert data.columns["weight"].tolist() == [1.5, 2.0]
    assert data.columns["code"].tolist() == ["01", "02"]
    path.write_text("id,sentence,label\n1,a,\n2,b,3\n")
    with pytest.raises(InvalidParameterError, match="row 0 has no 'label'"):
        load_data(f"csv:{path}")
    path.write_text("x,y\n1,2\n")
    with pytest.raises(InvalidParameterError, match="has no column 'z'"):
        load_data(f"csv:{path}", column="z")
    path.write_text("")
    with pytest.raises(UnreadableFileError, match="not a CSV table"):
        load_data(f"csv:{path}")


def encoded(shade):
    file = io.BytesIO()
    Image.new("L", (3, 2), shade).save(file, "PNG")
    return file.getvalue()


def test_parquet_with_images_and_captions_has_two_modalities(tmp_path):
    frame = pd.DataFrame(
        {
            "image": [{"bytes": encoded(k), "path": None} for k in range(3)],
            "caption": list("abc"),
            "class": [2, 0, 1],
        }
    )
    frame.to_parquet(tmp_path / "pairs.parquet")
    data = load_data(f"parquet:{tmp_path}/pairs.parquet")
    assert (data.modality, list(data.readers)) == ("image", ["image", "text"])
    assert [s.content.getpixel((0, 0))[0] for s in data] == [0, 1, 2]
    assert [s.content for s in data.view("text")] == ["a", "b", "c"]
    assert data.view("text").ids.tolist() == data.ids.tolist() == [0, 1, 2]
    assert data.labels.tolist() == [2, 0, 1]
    (tmp_path / "bad.parquet").write_bytes((tmp_path / "pairs.parquet").read_bytes()[:-9])
    with pytest.raises(UnreadableFileError, match=r"bad.parquet: truncated"):
        load_data(f"parquet:{tmp_path}/bad.parquet")


def test_images_by_paths_relative_to_the_table(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(9))
    (tmp_path / "t.csv").write_text("image,id\na.png,x\nb.png,y\n")
    data = load_data(f"csv:{tmp_path}/t.csv")
    assert data[0].content.getpixel((1, 1)) == (9, 9, 9)
    with pytest.raises(SampleError, match=r"'y' of csv:.*/t.csv"):
        data[1]


def test_an_array_file(tmp_path):
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    np.save(tmp_path / "x.npy", values)
    np.save(tmp_path / "y.npy", [1, 0, 1, 0])
    np.save(tmp_path / "i.npy", list("abcd"))
    data = load_data(f"npy:{tmp_path}/x.npy", labels=f"{tmp_path}/y.npy", ids=f"{tmp_path}/i.npy")
    np.testing.assert_array_equal(data.subset(ids=["c"])[0].content, values[2])
    assert (data.labels.tolist(), data.modality) == ([1, 0, 1, 0], "array")
    plain = load_data(f"npy:{tmp_path}/x.npy")
    assert (plain.name, plain.ids.tolist()) == ("npy:x.npy", [0, 1, 2, 3])
    with pytest.raises(InvalidParameterError, match=r"x\.npy .* \(--data-option modality=image"):
        plain.view("image")
    with pytest.raises(InvalidParameterError, match="give one each"):
        load_data(f"npy:{tmp_path}/x.npy", labels=f"{tmp_path}/x.npy")
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    with pytest.raises(UnreadableFileError, match="truncated"):
        load_data(f"npy:{tmp_path}/x.npy")


def test_proteins(tmp_path):
    path = tmp_path / "p.fasta"
    path.write_text(">sp|P1 Heat shock\nMKV\nLA*\n\n>P2\nGG\n")
    data = load_data(f"fasta:{path}")
    assert data.ids.tolist() == ["sp|P1", "P2"]
    assert [s.content for s in data] == ["MKVLA", "GG"]
    assert (data.modality, data.columns["description"][0]) == ("protein", "Heat shock")
    import gzip

    (tmp_path / "p.fasta.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert [s.content for s in load_data(f"fasta:{path}.gz")] == ["MKVLA", "GG"]
    (tmp_path / "p.fasta.gz").write_bytes(gzip.compress(path.read_bytes())[:-9])
    with pytest.raises(UnreadableFileError, match="truncated"):
        load_data(f"fasta:{path}.gz")
    path.write_text("MKV\n")
    with pytest.raises(UnreadableFileError, match="not a FASTA file"):
        load_data(f"fasta:{path}")
    path.write_text(">a\nM\n>a\nK\n")
    with pytest.raises(InvalidRepresentationError, match="'a' comes twice"):
        load_data(f"fasta:{path}")
