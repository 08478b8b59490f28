from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from repscape.compare import compare, similarity_matrix
from repscape.errors import InvalidRepresentationError, MissingLabelsError, SampleMismatchError
from repscape.representation import Representation


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logits(scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return scale * rng.normal(size=(60, 5)), scale * rng.normal(size=(60, 5))


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_jensen_shannon_of_logits_and_of_probabilities(scale: float) -> None:
    a, b = logits(scale)
    p, q = softmax(a), softmax(b)
    expected = (jensenshannon(p, q, base=2, axis=1) ** 2).mean()
    assert float(compare(a, b, "jensen_shannon")) == pytest.approx(expected, rel=1e-9)
    given = compare(p, q, "jensen_shannon[values=probabilities]")
    assert float(given) == pytest.approx(expected, rel=1e-9)


def test_jensen_shannon_in_closed_form() -> None:
    name = "jensen_shannon[values=probabilities]"
    assert float(compare([[0.5, 0.5]], [[1.0, 0.0]], name)) == pytest.approx(0.311278, abs=5e-7)
    assert float(compare([[0.0, 1.0]], [[1.0, 0.0]], name)) == pytest.approx(1.0, rel=1e-15)
    assert float(compare([[0.3, 0.7]], [[0.3, 0.7]], name)) == 0.0


@pytest.mark.parametrize("shift", [1e-3, 1e-5, 1e-7])
def test_jensen_shannon_of_nearly_equal_probabilities_keeps_its_digits(shift: float) -> None:
    """To leading order Σ (p - q)² / (8 ln2 p); as a difference of entropies it would be noise."""
    p = np.array([[0.5, 0.3, 0.2]])
    q = p + np.array([[shift, -shift, 0.0]])
    expected = ((p - q) ** 2 / p).sum() / 8 / np.log(2)
    got = float(compare(p, q, "jensen_shannon[values=probabilities]"))
    assert got == pytest.approx(expected, rel=max(10 * shift, 1e-7))


def test_jensen_shannon_of_extreme_logits() -> None:
    a, b = np.array([[1e4, -1e4]]), np.array([[-1e4, 1e4]])
    assert float(compare(a, b, "jensen_shannon")) == pytest.approx(1.0, rel=1e-15)


def test_jensen_shannon_refuses_what_is_no_distribution() -> None:
    a, b = logits()
    with pytest.raises(InvalidRepresentationError, match="row 0 is no probability distribution"):
        compare(a, b, "jensen_shannon[values=probabilities]")


@pytest.mark.parametrize("name", ["jensen_shannon", "disagreement"])
def test_refuses_other_classes(name: str) -> None:
    a, b = logits()
    with pytest.raises(InvalidRepresentationError, match="5 classes and the second 4"):
        compare(a, b[:, :4], name)


def test_disagreement_of_logits_and_classes() -> None:
    a, b = logits()
    first, second = a.argmax(axis=1), b.argmax(axis=1)
    expected = (first != second).mean()
    assert float(compare(a, b, "disagreement")) == expected
    given = compare(first[:, None], second[:, None], "disagreement[values=classes]")
    assert float(given) == expected


def test_the_first_of_equal_logits_is_predicted() -> None:
    a = np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])
    b = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    assert float(compare(a, b, "disagreement")) == 0.0


def test_classes_are_whole_numbers_in_one_column() -> None:
    a, b = logits()
    with pytest.raises(InvalidRepresentationError, match=r"one column.*\(60, 5\)"):
        compare(a, b, "disagreement[values=classes]")
    with pytest.raises(InvalidRepresentationError, match="whole class numbers"):
        compare(a[:, :1], b[:, :1], "disagreement[values=classes]")


def labelled() -> tuple[Representation, Representation, float]:
    a, b = logits()
    labels = np.random.default_rng(1).integers(0, 5, size=60)
    accuracies = [(z.argmax(axis=1) == labels).mean() for z in (a, b)]
    difference = abs(accuracies[0] - accuracies[1])
    return Representation(a, labels=labels), Representation(b, labels=labels), difference


def test_accuracy_difference_takes_the_labels_of_the_representations() -> None:
    a, b, expected = labelled()
    assert expected > 0
    assert float(compare(a, b, "accuracy_difference")) == pytest.approx(expected, rel=1e-12)
    one, two = (
        Representation(np.asarray(z.values).argmax(axis=1)[:, None], labels=z.labels)
        for z in (a, b)
    )
    given = compare(one, two, "accuracy_difference[values=classes]")
    assert float(given) == pytest.approx(expected, rel=1e-12)


def test_accuracy_difference_follows_the_selected_samples() -> None:
    a, b, _ = labelled()
    kept = list(range(50, 10, -1))
    part = compare(a, b.select(kept), "accuracy_difference", align="intersection")
    alone = compare(a.select(kept), b.select(kept), "accuracy_difference")
    assert part.n == 40
    assert float(part) == pytest.approx(float(alone), rel=1e-12)


def test_accuracy_difference_in_a_table_says_who_has_no_labels() -> None:
    a, b, expected = labelled()
    table = similarity_matrix({"a": a, "b": b, "c": a.values}, "accuracy_difference").table
    values = dict(
        zip(zip(table["rep_a"], table["rep_b"], strict=True), table["value"], strict=True)
    )
    assert values["a", "b"] == pytest.approx(expected, rel=1e-12)
    assert np.isnan(values["a", "c"])
    assert "labels=" in table["reason"].dropna().iloc[0]


def test_accuracy_difference_refuses_labels_that_do_not_serve() -> None:
    a, b, _ = labelled()
    assert a.labels is not None
    with pytest.raises(MissingLabelsError, match="labels="):
        compare(a.values, b, "accuracy_difference")
    words = Representation(a.values, labels=np.array(["cat"] * 60))
    with pytest.raises(MissingLabelsError, match="give class numbers"):
        compare(words, words, "accuracy_difference")
    beyond = Representation(a.values, labels=a.labels + 1)
    with pytest.raises(MissingLabelsError, match="run from 1 to 5, but the classes from 0 to 4"):
        compare(beyond, beyond, "accuracy_difference")
    other = Representation(b.values, labels=(b.labels + 1) % 5)
    with pytest.raises(SampleMismatchError, match="different labels"):
        compare(a, other, "accuracy_difference")
