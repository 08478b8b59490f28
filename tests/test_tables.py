"""Tables of scores read back from files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.compare import similarity_matrix
from repscape.errors import UnknownNameError, UnreadableFileError
from repscape.tables import SIMILARITY_COLUMNS, read_scores


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    models = {"007": random.normal(size=(20, 3)), "b": random.normal(size=(20, 4))}
    models["constant"] = np.ones((20, 2))
    return similarity_matrix(models, ["cka", "procrustes"]).table


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_comes_back_as_it_was(table, tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    if suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path)
    back = read_scores(path)
    assert list(back.columns) == list(table.columns)
    assert list(back["rep_a"]) == list(table["rep_a"])
    np.testing.assert_array_equal(back["value"], table["value"])
    assert back["value"].isna().sum() == 4
    reasons = back.loc[back["value"].isna(), "reason"]
    assert list(reasons) == list(table.loc[table["value"].isna(), "reason"])


def test_a_csv_of_text_that_is_empty_or_of_digits_stays_text(table, tmp_path):
    table.to_csv(tmp_path / "scores.csv", index=False)
    back = read_scores(tmp_path / "scores.csv")
    assert "007" in set(back["rep_a"])
    for name in set(SIMILARITY_COLUMNS) - {"n", "value", "duplicates_a", "duplicates_b"}:
        assert not pd.api.types.is_numeric_dtype(back[name]), name


@pytest.mark.parametrize("column", ["rep_a", "rep_b", "measure", "value"])
def test_a_column_that_is_missing_is_named(table, tmp_path, column):
    table.drop(columns=column).to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(UnknownNameError, match=f"'{column}'"):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, "no such file"),
        ("scores.json", b"{}", "a .parquet or a .csv"),
        ("torn.parquet", b"PAR1 and no more", "not a .parquet table"),
        ("binary.csv", b"\xff\xfe\x00\xd8", "not a .csv table"),
        ("nothing.csv", b"", "not a .csv table"),
        ("header.csv", b"rep_a,rep_b,measure,kind,value\n", "no rows"),
    ],
)
def test_what_cannot_be_read_says_so(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        read_scores(tmp_path / name)
