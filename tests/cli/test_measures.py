"""`repscape measures`: the table, the sets of papers, and the card of one measure."""

from __future__ import annotations

import json

import pytest

import repscape as package
from repscape.papers import PAPERS


def rows(text: str) -> list[dict[str, str]]:
    header, *lines = (line.split("\t") for line in text.splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def test_the_table_holds_every_measure(repscape):
    done = repscape("measures")
    assert (done.code, done.err) == (0, "")
    listed = rows(done.out)
    known = package.measures()
    assert [row["measure"] for row in listed] == list(known["measure"])
    cka = next(row for row in listed if "cka[kernel=linear" in row["measure"])
    assert cka["family"] == "Gram and RDM"
    assert cka["kind"] == "similarity"
    assert cka["invariant to"] == "orthogonal, permutation, isotropic scaling, translation"
    assert cka["source"] == "Kornblith et al. 2019"


def test_a_family(repscape):
    listed = rows(repscape("measures", "--family", "Alignment").out)
    assert {row["family"] for row in listed} == {"alignment"}
    unknown = repscape("measures", "--family", "alignement")
    assert unknown.code == 2
    assert "did you mean 'alignment'" in unknown.err


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_the_set_of_a_paper(repscape, paper):
    done = repscape("measures", "--paper", paper, "--json")
    assert (done.code, done.err) == (0, "")
    given = json.loads(done.out)
    assert [row["measure"] for row in given["measures"]] == list(PAPERS[paper].measures)
    assert given["left_out"] == dict(PAPERS[paper].left_out)
    assert given["paper"] == PAPERS[paper].title


def test_a_paper_says_what_it_leaves_out(repscape):
    done = repscape("measures", "--paper", "resi")
    assert "left out: RTD: " in done.err
    assert PAPERS["resi"].title in done.err
    unknown = repscape("measures", "--paper", "klabunde")
    assert unknown.code == 2
    assert "did you mean 'klabunde2023'" in unknown.err


def test_json_has_numbers_and_nulls_for_unbounded_sides(repscape):
    listed = json.loads(repscape("measures", "--json").out)["measures"]
    by_name = {row["measure"]: row for row in listed}
    procrustes = by_name["procrustes[score=distance,center=true]@1"]
    assert procrustes["low"] == 0
    assert procrustes["high"] == pytest.approx(2**0.5)
    assert procrustes["metric"] is True
    assert procrustes["chance"] is None
    assert by_name["size_and_shape[center=true,squared=false]@1"]["high"] is None


def test_the_card_of_a_measure(repscape):
    done = repscape("measures", "cka[kernel=rbf]")
    assert (done.code, done.err) == (0, "")
    for part in (
        "cka[kernel=rbf,sigma=0.4median,debiased=true]@1",
        "HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))",
        "here rbf; default linear; allowed: linear, rbf",
        "rbf_cka: cka[kernel=rbf]",
        "Pitfalls",
        "@inproceedings{kornblith2019similarity,",
    ):
        assert part in done.out, part


def test_the_card_by_alias_with_transforms(repscape):
    done = repscape("measures", "unit_rows|nbs")
    assert done.out.startswith("unit_rows|procrustes[score=similarity,center=true]@1\n")
    assert "divide each sample by its Euclidean norm" in done.out


def test_the_card_in_json(repscape):
    card = json.loads(repscape("measures", "cka", "--json").out)
    assert card["measure"] == "cka[kernel=linear,debiased=true]@1"
    assert [parameter["name"] for parameter in card["parameters"]] == [
        "kernel",
        "sigma",
        "debiased",
    ]
    effective = {parameter["name"]: parameter["effective"] for parameter in card["parameters"]}
    assert effective == {"kernel": True, "sigma": False, "debiased": True}
    assert card["citation"]["short"] == "Kornblith et al. 2019"
    assert "allowed" in card["parameters"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ckaa"], "did you mean 'cka'"),
        (["cka[kernel=cubic]"], "allowed: linear, rbf"),
        (["cka", "--family", "CCA"], "not both"),
        (["cka", "--paper", "resi"], "not both"),
    ],
)
def test_what_cannot_be_read_exits_with_2(repscape, arguments, message):
    done = repscape("measures", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
