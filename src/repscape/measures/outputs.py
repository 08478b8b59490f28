"""Outputs: how alike are the predictions of two models on the same samples?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from typing_extensions import override

from repscape.errors import InvalidRepresentationError, MissingLabelsError, SampleMismatchError
from repscape.measures.base import MEASURES, Measure, MeasureSpec, RowsMeasure
from repscape.registry import Citation, parameter

if TYPE_CHECKING:
    import numpy.typing as npt

_SUM_TOLERANCE = 1e-2
_LN2 = 0.6931471805599453


@MEASURES.register
@dataclass(frozen=True)
class JensenShannon(RowsMeasure):
    """Mean Jensen-Shannon divergence of the class probabilities, in bits, in [0, 1].

    mean_i (KL(p_i ‖ m_i) + KL(q_i ‖ m_i)) / 2 with m = (p + q)/2 and logarithms to base 2 (Lin
    1991, equation 4.1 with equal weights). Probabilities are given, or the softmax of logits.
    """

    values: Literal["logits", "probabilities"] = parameter(
        "logits", "what the representation holds: logits or probabilities, samples × classes"
    )

    spec: ClassVar = MeasureSpec(
        name="jensen_shannon",
        version=1,
        family="outputs",
        kind="distance",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset(),
        minimum_n=1,
        summary="mean Jensen-Shannon divergence of the class probabilities, in bits",
        formula="mean_i [KL(p_i || m_i) + KL(q_i || m_i)] / 2 with m = (p + q)/2, in bits",
        cost="n·c for c classes",
        pitfalls=(
            "Classes must be in the same order. The divergence is no metric, its square root is."
        ),
        citation=Citation(
            "Lin 1991",
            "@article{lin1991divergence,\n"
            "  title={Divergence measures based on the {S}hannon entropy},\n"
            "  author={Lin, Jianhua},\n  journal={IEEE Transactions on Information Theory},\n"
            "  volume={37},\n  year={1991}\n}",
        ),
    )

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """The probabilities, float64."""
        if self.values == "logits":
            return torch.softmax(x.double(), dim=1)
        return _probabilities(x)

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        _check_classes(a, b)
        total = a + b
        # With δ = (p - q)/(p + q), every class adds (p + q)/2 · [(1+δ) ln(1+δ) + (1-δ) ln(1-δ)]/2.
        present = total > 0
        delta = torch.where(present, (a - b).abs() / total.masked_fill(~present, 1.0), 0.0)
        rest = torch.where(present, 2.0 * torch.minimum(a, b) / total.masked_fill(~present, 1.0), 1)
        near = 2.0 * delta * torch.atanh(delta.clamp(max=0.5)) + torch.log1p(-delta.square())
        far = (1.0 + delta) * torch.log1p(delta) + torch.special.xlogy(rest, rest)
        # The first form keeps its digits where p and q nearly agree, the second where δ is near 1.
        terms = total / 4.0 * torch.where(delta <= 0.5, near, far)
        return float(terms.sum(dim=1).mean()) / _LN2


def _probabilities(x: torch.Tensor) -> torch.Tensor:
    """Given probabilities, each row divided by its sum; refused unless they are probabilities."""
    x64 = x.double()
    sums = x64.sum(dim=1)
    bad = ((x64 < 0).any(dim=1) | ((sums - 1.0).abs() > _SUM_TOLERANCE)).nonzero()
    if len(bad):
        row = int(bad[0])
        raise InvalidRepresentationError(
            f"row {row} is no probability distribution (smallest value {float(x64[row].min()):.3g},"
            f" sum {float(sums[row]):.3g}; {len(bad)} such rows): give probabilities, or "
            "values=logits"
        )
    normalised: torch.Tensor = x64 / sums[:, None]
    return normalised


def _check_classes(a: torch.Tensor, b: torch.Tensor) -> None:
    if a.shape[1] != b.shape[1]:
        raise InvalidRepresentationError(
            f"the first output has {a.shape[1]} classes and the second {b.shape[1]}: compare "
            "models with the same classes, in the same order"
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predicted class of every sample (n,), and the number of classes if known."""

    classes: torch.Tensor
    number: int | None


@MEASURES.register
@dataclass(frozen=True)
class Disagreement(Measure[Predictions]):
    """The share of samples with different predicted classes.

    Predictions are the class of the largest logit (or probability), the first of equal ones; or
    given as one column of class numbers.
    """

    values: Literal["logits", "classes"] = parameter(
        "logits", "logits (or probabilities), samples × classes; or one column of class numbers"
    )

    spec: ClassVar = MeasureSpec(
        name="disagreement",
        version=1,
        family="outputs",
        kind="distance",
        range=(0.0, 1.0),
        symmetric=True,
        metric=True,
        invariances=frozenset(),
        minimum_n=1,
        summary="share of samples with different predicted classes",
        formula="mean_i [argmax p_i != argmax q_i]",
        cost="n·c for c classes",
        pitfalls=(
            "Bounded by the accuracies: two models of accuracy a and b disagree on at least "
            "|a - b| of the samples."
        ),
        citation=Citation(
            "Madani et al. 2004",
            "@inproceedings{madani2004covalidation,\n"
            "  title={Co-Validation: Using Model Disagreement on Unlabeled Data to Validate "
            "Classification Algorithms},\n"
            "  author={Madani, Omid and Pennock, David M and Flake, Gary W},\n"
            "  booktitle={NeurIPS},\n  year={2004}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.values == "classes":
            return self.spec
        return self.spec.but(invariances=frozenset({"isotropic_scaling"}))

    def prepare(self, x: torch.Tensor) -> Predictions:
        """The predicted classes."""
        return predictions(x, self.values)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8 * n

    @override
    def permute(self, state: Predictions, order: torch.Tensor) -> Predictions:
        return Predictions(state.classes[order], state.number)

    @override
    def compare(self, a: Predictions, b: Predictions) -> float:
        if a.number != b.number:
            raise InvalidRepresentationError(
                f"the first output has {a.number} classes and the second {b.number}: compare "
                "models with the same classes, in the same order"
            )
        return float((a.classes != b.classes).double().mean())


def predictions(x: torch.Tensor, values: str) -> Predictions:
    """The predicted classes of logits, or as given."""
    if values == "logits":
        first_largest = (x == x.amax(dim=1, keepdim=True)).to(torch.uint8).argmax(dim=1)
        return Predictions(first_largest, int(x.shape[1]))
    if x.shape[1] != 1 or bool((x != x.round()).any()):
        raise InvalidRepresentationError(
            f"values=classes takes one column of whole class numbers, and the values have shape "
            f"{tuple(x.shape)}: give predictions[:, None], or values=logits"
        )
    return Predictions(x[:, 0].long(), None)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """The share of samples predicted right, and the labels that say so."""

    share: float
    labels: npt.NDArray[Any]


@MEASURES.register
@dataclass(frozen=True)
class AccuracyDifference(Measure[Accuracy]):
    """|accuracy of x - accuracy of y| against the labels of the samples.

    The representations are outputs as in `disagreement`, and carry `labels`: the true class
    numbers, 0 for the first column of the logits. Raises `MissingLabelsError` without them.
    """

    values: Literal["logits", "classes"] = parameter(
        "logits", "logits (or probabilities), samples × classes; or one column of class numbers"
    )

    needs_labels: ClassVar[bool] = True
    spec: ClassVar = Disagreement.spec.but(
        name="accuracy_difference",
        summary="difference of the accuracies on the labelled samples",
        formula="| mean_i [argmax p_i = label_i] - mean_i [argmax q_i = label_i] |",
        pitfalls=(
            "Zero does not mean equal predictions: see disagreement. The representations must "
            "carry labels."
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.values == "classes":
            return self.spec
        return self.spec.but(invariances=frozenset({"isotropic_scaling"}))

    def prepare(self, x: torch.Tensor) -> Accuracy:
        """Refuse: without labels there is no accuracy."""
        return self.prepare_labelled(x, None)

    def prepare_labelled(self, x: torch.Tensor, labels: npt.NDArray[Any] | None) -> Accuracy:
        """The accuracy of the predictions."""
        if labels is None:
            raise MissingLabelsError(
                f"{self.spec.name} compares predictions with the true classes, and there are none: "
                "give Representation(values, labels=…), or a file with an array 'labels'"
            )
        found = predictions(x, self.values)
        truth = _class_numbers(labels, found.number)
        right = found.classes.cpu().numpy() == truth
        return Accuracy(float(right.mean()), truth)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8 * n

    @override
    def compare(self, a: Accuracy, b: Accuracy) -> float:
        differ = np.flatnonzero(a.labels != b.labels)
        if len(differ):
            row = int(differ[0])
            raise SampleMismatchError(
                f"the two sides have different labels for {len(differ)} of {len(a.labels)} "
                f"samples, first at row {row}: {a.labels[row]} and {b.labels[row]}"
            )
        return abs(a.share - b.share)


def _class_numbers(labels: npt.NDArray[Any], number: int | None) -> npt.NDArray[np.int64]:
    """Labels as class numbers; refused unless they are whole numbers of existing classes."""
    if labels.dtype.kind not in "iub":
        raise MissingLabelsError(
            f"the labels have dtype {labels.dtype}: give class numbers, 0 for the first column of "
            "the logits"
        )
    classes = labels.astype(np.int64)
    if classes.min() < 0 or (number is not None and classes.max() >= number):
        raise MissingLabelsError(
            f"the labels run from {classes.min()} to {classes.max()}, but the classes from 0 to "
            f"{'…' if number is None else number - 1}"
        )
    return classes
