from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.published_similarity import (
    COLUMNS,
    GROUPS,
    MODELS,
    PUBLISHED,
    of_group,
    order_of_models,
    published_table,
    short_names,
)
from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.measures.base import get_measure
from score_tables import row


def table(models: list[str], measures: list[str], **columns: object) -> pd.DataFrame:
    rows = [
        row(f"{a}/last", f"{b}/last", 0.01 * place, measure=measure, **columns)
        for measure in measures
        for place, (a, b) in enumerate(combinations(models, 2), start=1)
    ]
    return pd.DataFrame(rows)


def test_the_groups_are_those_of_the_figures() -> None:
    assert {name: len(of_group(name)) for name in GROUPS} == {"otis": 4, "otistr": 6}
    assert [each.title for each in of_group("otistr")][2:] == [
        "RSM-Diff (Euclidean)",
        "Jaccard (k=10)",
        "RSA (Euclidean, Spearman)",
        "CKA",
    ]
    with pytest.raises(UnknownNameError, match="did you mean 'otis'"):
        of_group("otiss")


def test_every_name_is_one_measure_with_the_invariances_of_its_group() -> None:
    assert len({each.stored for each in PUBLISHED}) == 10
    for each in PUBLISHED:
        declared = get_measure(each.measure).declared
        assert get_measure(each.measure).name == each.measure
        assert ("translation" in declared.invariances) == (each.group == "otistr")
        assert "orthogonal" in declared.invariances


def test_a_published_table_has_its_names_and_columns() -> None:
    measures = [each.measure for each in PUBLISHED]
    scores = table(["mpt-7b", "bloom-7b1", "opt-6.7b"], [*measures, "cka[kernel=rbf]@1"])
    published = published_table(scores)
    assert tuple(published.columns) == COLUMNS
    assert len(published) == 3 * 10
    first = published.iloc[0]
    assert (first["model1"], first["model2"]) == ("bloom-7b1", "mpt-7b")
    assert first["measure"] == "Pipeline(normalize_matrix_norm+orthogonal_procrustes{})"
    assert (first["dataset"], first["split"], first["strategy"]) == (
        "digits",
        "test",
        "final_token",
    )
    assert first["score"] == 0.01
    assert published["baseline_score"].isna().all()
    assert published["score"].dtype == np.float64
    assert len(published_table(scores, "otis")) == 3 * 4


def test_a_missing_score_is_null_and_not_0() -> None:
    scores = table(["a", "b", "c"], [PUBLISHED[0].measure])
    scores.loc[1, "value"] = np.nan
    assert published_table(scores)["score"].isna().tolist() == [False, True, False]


def test_a_pair_that_stands_there_twice_is_refused() -> None:
    scores = table(["a", "b"], [PUBLISHED[0].measure])
    with pytest.raises(InvalidParameterError, match="a with b stands there more than once"):
        published_table(pd.concat([scores, scores]))


def test_the_models_of_code_stand_last_on_code() -> None:
    names = ["llama-7b", "CodeLlama-7b-Python-hf", "bloom-7b1", "CodeLlama-7b-hf", "mine"]
    scores = table(names, [PUBLISHED[0].measure])
    assert order_of_models(scores, "HumanEval") == [
        "bloom-7b1",
        "llama-7b",
        "CodeLlama-7b-hf",
        "CodeLlama-7b-Python-hf",
        "mine",
    ]
    assert order_of_models(scores, "Winogrande") == [*sorted(names[:4]), "mine"]
    assert short_names(["pythia-6.9b-deduped", "mine"]) == ["pythia-deduped", "mine"]
    assert len(MODELS) == 13
