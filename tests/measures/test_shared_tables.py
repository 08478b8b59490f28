"""Measures of one call that need the same neighbours share one table of them."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from repscape.compare import compare, similarity_matrix
from repscape.measures import neighbour_family
from repscape.measures.base import get_measure

MEASURES = [
    "mutual_knn[k=5]",
    "knn_jaccard[k=5]",
    "rank_similarity[k=5]",
    "knn_jaccard[k=5,metric=euclidean]",
    "center|knn_jaccard[k=5]",
    "lcs_knn[k=4]",
    "cycle_knn",
    "second_order_cosine[k=5]",
    "second_order_cosine[k=3]",
    "information_imbalance",
    "information_imbalance[k=3,direction=yx]",
]
TOO_MANY = "knn_jaccard[k=40]"


def values() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(40, 6, generator=generator) for _ in range(3)]


def test_one_table_for_each_metric_and_transform(monkeypatch):
    made: Counter[tuple[int, str]] = Counter()
    search = neighbour_family.neighbours

    def counted(x, k, metric, limit):
        made[k, metric] += 1
        return search(x, k, metric, limit)

    monkeypatch.setattr(neighbour_family, "neighbours", counted)
    similarity_matrix(values(), [*MEASURES, TOO_MANY])
    # Three representations each; by cosine once with and once without the transform. The five
    # nearest serve k=2 and k=4; k=40 needs more samples than there are and asks for nothing.
    assert made == {(5, "cosine"): 6, (5, "euclidean"): 3}


@pytest.mark.parametrize("measure", MEASURES)
def test_scores_are_those_of_each_measure_alone(measure):
    x, y, z = values()
    table = similarity_matrix([x, y, z], MEASURES).table
    part = table[table["measure"] == get_measure(measure).name]
    reps = {"0": x, "1": y, "2": z}
    pairs = zip(part["rep_a"], part["rep_b"], strict=True)
    alone = [compare(reps[a], reps[b], measure).value for a, b in pairs]
    assert part["value"].tolist() == alone


def test_each_measure_gives_its_own_reason():
    x, y, _ = values()
    table = similarity_matrix([x[:5], y[:5]], ["knn_jaccard[k=5]", "lcs_knn[k=5]"]).table
    for row in table.itertuples():
        assert row.reason.startswith(row.measure)


def test_a_large_k_that_does_not_fit_costs_no_smaller_one():
    generator = torch.Generator().manual_seed(1)
    many = [torch.randn(2000, 6, generator=generator) for _ in range(2)]
    names = ["mutual_knn[k=500]", "knn_jaccard[k=5]", "cycle_knn[k=3]"]
    table = similarity_matrix(many, names, memory_limit="4MiB").table
    refused = table[table["value"].isna()]
    assert set(refused["measure"]) == {"mutual_knn[k=500,metric=cosine]@1"}
    assert refused["reason"].str.startswith("mutual_knn[k=500").all()
    value = table.loc[table["measure"].str.startswith("knn_jaccard"), "value"].item()
    assert value == compare(*many, "knn_jaccard[k=5]").value
