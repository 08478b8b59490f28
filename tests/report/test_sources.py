"""Names of data sets in a report: as short as tells them apart."""

from __future__ import annotations

import pandas as pd

from repscape.report.sources import by_measure, plain_source, short_sources
from repscape.report.words import describe_scope
from score_tables import row

HELD = "held_out[held_out=0.5,seed=0]"
SOME = f"{HELD}[random=200,seed=0]"


def test_the_split_is_named_only_where_it_tells_apart() -> None:
    assert list(short_sources([("prose", SOME), ("code", HELD)]).values()) == ["prose", "code"]
    same = [("prose", SOME), ("prose", "train"), ("prose", SOME)]
    assert list(short_sources(same).values()) == ["prose (held_out)", "prose (train)"]
    every = [("prose", SOME), ("prose", HELD)]
    assert list(short_sources(every).values()) == [f"prose ({SOME})", f"prose ({HELD})"]
    assert short_sources([(None, None), (float("nan"), None)]) == {(None, None): ""}


def test_a_split_is_named_without_its_parameters() -> None:
    assert plain_source("prose", SOME) == "prose (held_out)"
    assert plain_source("prose", f"{SOME}, last_token") == "prose (held_out, last_token)"
    assert plain_source("prose", None) == "prose"
    two = [row("a/l", "b/l", 0.5, data=data, split=SOME) for data in ("prose", "code")]
    assert "on 100 samples of prose (held_out) and code (held_out) under" in describe_scope(
        pd.DataFrame(two)
    )


def test_rows_of_several_data_sets_say_of_which() -> None:
    table = pd.DataFrame({"data": ["a", "b"], "split": SOME, "measure": "cka@1", "value": [1, 2]})
    shown = by_measure(table, {"measure": "measure", "value": "score"})
    assert shown.to_dict("list") == {
        "data": ["a", "b"],
        "measure": ["`cka@1`", "`cka@1`"],
        "score": [1, 2],
    }
    one = by_measure(table.head(1), {"measure": "measure", "value": "score"})
    assert list(one.columns) == ["measure", "score"]
