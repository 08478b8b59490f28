from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from repscape.errors import InvalidParameterError
from repscape.store.tables import as_parquet, read_parquet


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": ["cka@1", "rsa@2", "cka@1"],
            "value": [0.25, None, -0.0],
            "n": [10, 20, 30],
            "reason": [None, "constant", None],
            "significant": [True, False, True],
        }
    )


def roundtrip(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    path.write_bytes(as_parquet(frame)[0])
    return read_parquet(path)


def test_roundtrip(frame: pd.DataFrame, tmp_path: Path) -> None:
    found = roundtrip(frame, tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(found, frame)
    assert np.signbit(found["value"][2])


def test_reading_and_writing_again_gives_the_same_bytes(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame["count"] = pd.array([1, None, 2**53 + 1], dtype="Int64")
    frame["flag"] = pd.array([True, None, False], dtype="boolean")
    found = roundtrip(frame, tmp_path / "t.parquet")
    assert found["count"].tolist() == [1, pd.NA, 2**53 + 1]
    assert found["flag"].tolist() == [True, pd.NA, False]
    assert bytes(as_parquet(found)[0]) == bytes(as_parquet(frame)[0])


def same_content(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "copy": frame.copy(),
        "other row numbers": frame.set_index(pd.Index([7, 5, 6])),
        "narrow integers": frame.assign(n=frame["n"].astype(np.int16)),
        "nullable numbers": frame.assign(value=frame["value"].astype("Float64")),
        "objects": frame.assign(measure=frame["measure"].astype(object)),
        "categories": frame.assign(measure=pd.Categorical(frame["measure"], ["rsa@2", "cka@1"])),
        "pieces": pd.concat([frame[:1], frame[1:]]),
        "arrow": frame.convert_dtypes(dtype_backend="pyarrow").astype({"value": "double[pyarrow]"}),
    }


@pytest.mark.parametrize(
    "variant", same_content(pd.DataFrame({"measure": ["cka@1"] * 3, "value": 0.0, "n": 1}))
)
def test_equal_content_gives_equal_bytes(frame: pd.DataFrame, variant: str) -> None:
    other = same_content(frame)[variant]
    assert bytes(as_parquet(other)[0]) == bytes(as_parquet(frame)[0])


def test_other_content_gives_other_bytes(frame: pd.DataFrame) -> None:
    before = bytes(as_parquet(frame)[0])
    assert bytes(as_parquet(frame[::-1])[0]) != before
    assert bytes(as_parquet(frame[frame.columns[::-1]])[0]) != before
    assert bytes(as_parquet(frame.assign(value=[0.25, None, 0.0]))[0]) != before


def test_missing_numbers_are_null_and_infinities_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    values = pd.array([1.0, np.nan, np.inf], dtype="Float64")
    found = roundtrip(pd.DataFrame({"value": values}), path)
    assert pq.read_table(path)["value"].null_count == 1
    assert found["value"].dtype == np.float64
    np.testing.assert_array_equal(found["value"], [1.0, np.nan, np.inf])


def test_an_empty_table_and_an_empty_column(tmp_path: Path) -> None:
    found = roundtrip(pd.DataFrame({"value": np.empty(0), "reason": []}), tmp_path / "t.parquet")
    assert found.shape == (0, 2)
    assert found["value"].dtype == np.float64
    nothing = pd.DataFrame({"value": [np.nan, np.nan], "reason": [None, None]})
    found = roundtrip(nothing, tmp_path / "t.parquet")
    assert found["value"].dtype == np.float64
    assert found.isna().all(axis=None)
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert [str(schema.field(name).type) for name in ("value", "reason")] == ["double", "string"]


def test_the_file_carries_no_pandas_metadata(frame: pd.DataFrame, tmp_path: Path) -> None:
    roundtrip(frame, tmp_path / "t.parquet")
    assert not pq.read_schema(tmp_path / "t.parquet").metadata


def test_the_specs_name_types_and_shapes(frame: pd.DataFrame) -> None:
    specs = as_parquet(frame)[1]
    assert {name: spec.dtype for name, spec in specs.items()} == {
        "measure": "str",
        "value": "float64",
        "n": "int64",
        "reason": "str",
        "significant": "bool",
    }
    assert {spec.shape for spec in specs.values()} == {(3,)}


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"x": [1, "a"]}), "column 'x' holds more than one type"),
        (pd.DataFrame({"x": [object()]}), "column 'x'"),
        (pd.DataFrame({"x": [[1.0], [2.0]]}), r"column 'x' has the type list.*text, numbers"),
        (pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])}), "column 'x' has the type timestamp"),
        (pd.DataFrame({"x": [2**63]}), "column 'x'"),
        (pd.DataFrame({0: [1]}), r"distinct names, not \[0\]"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "distinct names"),
        (pd.DataFrame({"x": [1]}, index=pd.Index(["a"], name="rep")), r"index \['rep'\].*reset_i"),
    ],
)
def test_what_a_table_cannot_hold_is_refused(frame: Any, words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        as_parquet(frame)
