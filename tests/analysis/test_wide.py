from __future__ import annotations

import pandas as pd

from repscape.analysis.by_depth import scores_by_depth
from repscape.analysis.wide import COLUMNS, warning_of, wide_pairs
from score_tables import SIMILARITY, row

PROCRUSTES = "procrustes[score=distance,center=true]@1"
BIASED = "cka[kernel=linear,debiased=false]@1"


def scores() -> pd.DataFrame:
    rows = []
    for measure in (SIMILARITY, PROCRUSTES, BIASED):
        kind = "distance" if measure is PROCRUSTES else "similarity"
        for place, (a, b) in enumerate((("a", "b"), ("a", "c"), ("b", "c"))):
            rows.append(
                row(
                    f"{a}/last",
                    f"{b}/last",
                    0.5 + 0.1 * place,
                    measure=measure,
                    kind=kind,
                    null_mean=0.3,
                    effect=0.2,
                )
            )
    return pd.DataFrame(rows)


def representations(c: int) -> pd.DataFrame:
    widths = {"a": 64, "b": 80, "c": c}
    return pd.DataFrame(
        [
            {"data": "digits", "model": m, "layer": "last", "n": 100, "d": d}
            for m, d in widths.items()
        ]
    )


def test_pairs_with_fewer_samples_than_features_are_counted() -> None:
    table = wide_pairs(scores(), representations(c=200)).set_index("measure")
    assert set(table.reset_index().columns) == set(COLUMNS)
    assert table["wide_pairs"].tolist() == [2, 2, 2]
    assert table.loc[PROCRUSTES, ["n", "d_min", "d_max", "pairs"]].tolist() == [100, 64, 200, 3]
    assert abs(table.loc[BIASED, "mean"] - 0.6) < 1e-12
    assert table.loc[BIASED, "null_mean"] == 0.3


def test_only_measures_that_are_fooled_carry_the_warning() -> None:
    table = wide_pairs(scores(), representations(c=200)).set_index("measure")
    assert table["warning"].notna().to_dict() == {SIMILARITY: False, PROCRUSTES: True, BIASED: True}
    line = warning_of(table.reset_index(), "digits", [PROCRUSTES, BIASED])
    assert line is not None
    assert line.startswith("n = 100 < d = 200 in 2 of 3 pairs")
    assert "procrustes 0.30, cka 0.30" in line
    assert warning_of(table.reset_index(), "digits", [SIMILARITY]) is None


def test_there_is_no_warning_where_samples_are_many() -> None:
    table = wide_pairs(scores(), representations(c=90))
    assert table["warning"].isna().all()
    assert warning_of(table, "digits", [PROCRUSTES]) is None


def test_scores_layer_by_layer() -> None:
    rows = [
        row(f"a/{i}", f"b/{j}", 0.1 * (3 * i + j), null_mean=0.05)
        for i in range(3)
        for j in range(3)
    ]
    rows += [row("a/0", "c/only", 0.9, null_mean=0.05), row("a/0", "a/1", 0.8, null_mean=0.05)]
    table = scores_by_depth(pd.DataFrame(rows))
    assert table["place"].tolist() == [1, 2, 3]
    assert table["mean"].round(6).tolist() == [0.0, 0.4, 0.8]
    assert table["pairs"].tolist() == [1, 1, 1]
    assert table["null_mean"].tolist() == [0.05] * 3
