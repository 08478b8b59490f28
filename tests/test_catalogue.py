"""The catalogue of measures: the table and the cards."""

from __future__ import annotations

import math

import pandas as pd
import pytest

import repscape
from repscape.catalogue import (
    COLUMNS,
    NoMeasuresWarning,
    describe_measure,
    families,
    for_representations,
    format_range,
    measure_card,
    measures,
    select,
    transforms,
)
from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.measures.base import INVARIANCES, MEASURES, get_measure
from repscape.papers import PAPERS


def test_the_public_function_lists_every_registered_measure():
    table = repscape.measures()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(MEASURES.names())
    assert table["measure"].is_unique
    for name in table["measure"]:
        assert get_measure(name).name == name


def test_a_row_is_what_the_measure_declares():
    row = measures().set_index("measure").loc["procrustes[score=distance,center=true]@1"]
    assert row["kind"] == "distance"
    assert (row["low"], row["high"]) == (0.0, math.sqrt(2))
    assert row["symmetric"]
    assert row["metric"]
    assert row["invariances"] == (
        "orthogonal",
        "permutation",
        "isotropic_scaling",
        "translation",
    )
    assert row["minimum_n"] == 2
    assert pd.isna(row["chance"])
    assert row["citation"] == "Williams et al. 2021"


def test_families_stand_together():
    listed = list(measures()["family"])
    assert listed == sorted(listed)
    assert sorted(set(listed)) == families()


def test_a_family_by_any_case():
    assert set(measures(family="GRAM and rdm")["family"]) == {"Gram and RDM"}
    with pytest.raises(UnknownNameError, match="did you mean 'Gram and RDM'"):
        measures(family="Gram")


def test_a_paper_has_its_own_parameters_and_order():
    assert list(measures(paper="ciernik2024")["measure"]) == list(PAPERS["ciernik2024"].measures)
    rows = measures(paper="ciernik2024").set_index("measure")
    # Declared for these parameters: an absolute width undoes nothing here, unit rows add scaling.
    name = "unit_rows|cka[kernel=rbf,sigma=0.4,debiased=true]@1"
    assert "isotropic_scaling" in rows.loc[name, "invariances"]
    assert "translation" not in rows.loc[name, "invariances"]


def test_a_family_of_a_paper():
    found = measures(family="alignment", paper="resi")
    assert set(found["family"]) == {"alignment"}
    assert set(found["measure"]) < set(PAPERS["resi"].measures)


def test_a_paper_without_measures_gives_an_empty_table_and_says_why():
    with pytest.warns(NoMeasuresWarning, match="singh2023 .*compares no two representations"):
        table = measures(paper="singh2023")
    assert len(table) == 0
    assert list(table.columns) == list(COLUMNS)


def test_outputs_are_not_representations():
    chosen, left_out = for_representations()
    assert {measure.declared.family for measure in chosen} == set(families()) - {"outputs"}
    assert len(chosen) + len(left_out) == len(select())
    assert set(left_out) == {measure.name for measure in select("outputs")}


@pytest.mark.parametrize("name", [measure.name for measure in select()])
def test_every_measure_has_a_complete_card(name):
    card = measure_card(name)
    text = describe_measure(name)
    spec = card.declared
    assert text.startswith(f"{name}\n{spec.summary}\n")
    assert spec.formula in text
    assert spec.citation.bibtex.splitlines()[0] in text
    assert spec.citation.key in text
    assert spec.cost in text
    for parameter in card.parameters:
        assert parameter.description, parameter
        assert parameter.allowed, parameter
        assert f"{parameter.name}: " in text
    for invariance in INVARIANCES:
        stated = invariance in text.partition("invariant to")[2].splitlines()[0]
        assert stated == (invariance in spec.invariances)


def test_a_card_is_for_the_parameters_given():
    card = measure_card("cka[kernel=rbf,sigma=2,debiased=false]")
    values = {parameter.name: parameter.value for parameter in card.parameters}
    assert values == {"kernel": "rbf", "sigma": "2", "debiased": "false"}
    assert all(parameter.effective for parameter in card.parameters)
    assert card.declared.range == (0.0, 1.0)
    text = describe_measure(card.name)
    assert "here 2; default 0.4median" in text
    assert "[0, 1]" in text


def test_a_parameter_without_effect_is_marked():
    effective = {p.name: p.effective for p in measure_card("cka").parameters}
    assert effective == {"kernel": True, "sigma": False, "debiased": True}
    assert "(no effect here)" in describe_measure("cka")


def test_a_card_lists_aliases_and_transforms():
    card = measure_card("clip|unit_rows|nbs")
    assert card.name == ("clip[quantile=0.95]|unit_rows|procrustes[score=similarity,center=true]@1")
    assert "nbs: procrustes[score=similarity]" in card.aliases
    assert [line.partition(":")[0] for line in card.transforms] == [
        "clip[quantile=0.95]",
        "unit_rows",
    ]


def test_limits_of_numbers_are_stated():
    allowed = {p.name: p.allowed for p in measure_card("svcca_components").parameters}
    assert allowed["k"] == "a whole number, at least 1"


def test_names_that_cannot_be_read_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'cka'"):
        describe_measure("ckaa")
    with pytest.raises(InvalidParameterError, match="allowed: linear"):
        describe_measure("cka[kernel=cubic]")


def test_transforms_are_listed_with_what_they_do():
    known = transforms()
    assert known["unit_rows"] == "divide each sample by its Euclidean norm"
    assert "clip[quantile=0.95]" in known


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, "[0, 1]"),
        (0.0, math.sqrt(2), "[0, 1.414]"),
        (-math.inf, 1.0, "(-∞, 1]"),
        (0.0, math.inf, "[0, ∞)"),
    ],
)
def test_ranges_for_people(low, high, expected):
    assert format_range(low, high) == expected
