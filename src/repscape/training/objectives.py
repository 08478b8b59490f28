"""What a network is trained for: class labels, or two views of one image being alike.

Both objectives see the same augmented images, so that they differ in nothing but the loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from repscape.errors import UnknownNameError, did_you_mean
from repscape.training.networks import Network

CLASSES = 10


class Objective(Protocol):
    """A loss, and the head that a network needs for it."""

    @property
    def head_predicts_labels(self) -> bool:
        """Whether the largest output of the head is the predicted label."""

    def head(self, feature_width: int) -> nn.Module:
        """Make the head for feature vectors of this length."""

    def loss(
        self, network: Network, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The mean loss of a batch; every random choice is drawn from `generator`."""


@dataclass(frozen=True)
class Supervised:
    """Cross-entropy between a linear read-out of the features and the labels."""

    classes: int = CLASSES
    head_predicts_labels: ClassVar[bool] = True

    def head(self, feature_width: int) -> nn.Module:
        """A linear map to the classes."""
        return nn.Linear(feature_width, self.classes)

    def loss(
        self, network: Network, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The mean cross-entropy of one augmented view of each image."""
        return functional.cross_entropy(network(augment(images, generator)), labels)


@dataclass(frozen=True)
class SelfSupervised:
    """SimCLR: among all views in the batch, find the other view of the same image.

    Labels are not used. Source: Chen et al. 2020, "A Simple Framework for Contrastive
    Learning of Visual Representations", eq. 1.
    """

    temperature: float = 0.2
    projection_width: int = 64
    head_predicts_labels: ClassVar[bool] = False

    def head(self, feature_width: int) -> nn.Module:
        """The projection: a perceptron with one hidden layer."""
        return nn.Sequential(
            nn.Linear(feature_width, feature_width),
            nn.ReLU(),
            nn.Linear(feature_width, self.projection_width),
        )

    def loss(
        self, network: Network, images: Tensor, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The contrastive loss of two augmented views of each image."""
        projections = network(augment(torch.cat([images, images]), generator))
        return contrastive_loss(projections, self.temperature)


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "supervised": Supervised,
    "self-supervised": SelfSupervised,
}


def get_objective(name: str) -> Objective:
    """Make the objective of this name.

    Raises `UnknownNameError` if there is none.
    """
    if name not in OBJECTIVES:
        hint = did_you_mean(name, OBJECTIVES)
        raise UnknownNameError(f"no training objective is called {name!r}: {hint}")
    return OBJECTIVES[name]()


def contrastive_loss(projections: Tensor, temperature: float) -> Tensor:
    r"""The normalised temperature-scaled cross-entropy (NT-Xent) of two views of n images.

    With z the projections scaled to length one, row i and row i' = i + n mod 2n being the
    two views of one image,

    .. math:: -\frac{1}{2n} \sum_i \log \frac{\exp(z_i \cdot z_{i'} / \tau)}
                                             {\sum_{j \ne i} \exp(z_i \cdot z_j / \tau)}.

    Parameters
    ----------
    projections : (2n, d) tensor
        First the first views of all images, then the second views in the same order.
    temperature : float
        τ > 0.

    Returns
    -------
    Tensor
        A scalar; log(2n − 1) if all projections are equal, near 0 if the views are found.
    """
    count = projections.shape[0]
    units = functional.normalize(projections, dim=1)
    logits = units @ units.T / temperature
    itself = torch.eye(count, dtype=torch.bool)
    other_view = torch.arange(count).roll(count // 2)
    return functional.cross_entropy(logits.masked_fill(itself, float("-inf")), other_view)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn, scale, brighten and roughen each image a little, each in its own way.

    Shifts along either axis are uniform up to half a pixel, turns up to 0.1 radians (6°),
    changes of scale up to 10 % and of intensity up to 20 %; the noise of the pixels is normal
    with standard deviation 0.05. What leaves the range of pixels is cut off. At 8 × 8 pixels
    more than this takes a digit apart.

    Parameters
    ----------
    images : (n, 1, 8, 8) tensor
        Pixels between 0 and 1.
    generator : torch.Generator
        The source of all randomness.

    Returns
    -------
    (n, 1, 8, 8) tensor
        Pixels between 0 and 1.
    """
    n, _, height, width = images.shape
    dtype = images.dtype
    x, y, turn, scale, light = 2 * torch.rand((5, n), generator=generator, dtype=dtype) - 1
    zoom, angle = 1 + 0.1 * scale, 0.1 * turn
    cosine, sine = zoom * torch.cos(angle), zoom * torch.sin(angle)
    # affine_grid measures in halves of the image, in which half a pixel is 1 / size.
    maps = torch.stack([cosine, -sine, x / width, sine, cosine, y / height], dim=1).view(n, 2, 3)
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    noise = 0.05 * torch.randn(images.shape, generator=generator, dtype=dtype)
    lit: Tensor = (1 + 0.2 * light.view(n, 1, 1, 1)) * moved + noise
    return lit.clamp(0, 1)
