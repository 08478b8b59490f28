"""Controls: what a descriptor says of data without the structure that it is meant to see."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from repscape.compute.arrays import row_blocks
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.geometry.principal_axes import principal_axes
from repscape.transforms import column_mean

Control = Literal["shuffled", "gaussian"]
CONTROLS: tuple[Control, ...] = get_args(Control)


def check_control(control: str) -> Control:
    """Return the control of this name; raise `InvalidParameterError` if there is none."""
    for known in CONTROLS:
        if control == known:
            return known
    raise InvalidParameterError(f"controls={control!r}: {did_you_mean(control, CONTROLS)}")


def control_values(x: torch.Tensor, control: Control, seed: int) -> torch.Tensor:
    """Make a control of x (n × d): a tensor of its shape and dtype.

    shuffled: every feature in a random order of its own, which keeps each one's distribution
    and destroys all dependence between features. gaussian: samples of the normal distribution
    with the mean and covariance of x, which keeps linear structure only.
    """
    return shuffled_features(x, seed) if control == "shuffled" else gaussian_twin(x, seed)


def shuffled_features(x: torch.Tensor, seed: int) -> torch.Tensor:
    """Permute the samples of every feature independently."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.empty_like(x, memory_format=torch.contiguous_format)
    for feature in range(x.shape[1]):
        order = torch.randperm(x.shape[0], generator=generator).to(x.device)
        shuffled[:, feature] = x[order, feature]
    return shuffled


def gaussian_twin(x: torch.Tensor, seed: int) -> torch.Tensor:
    """Draw n samples of the normal distribution with the mean and covariance of x."""
    axes = principal_axes(x)
    mean = column_mean(x)
    generator = torch.Generator().manual_seed(seed)
    twin = torch.empty_like(x, memory_format=torch.contiguous_format)
    directions = axes.directions()
    scales = axes.variances.sqrt()
    for i in row_blocks(x.shape[0]):
        normal = torch.randn(
            i.stop - i.start, len(scales), dtype=torch.float64, generator=generator
        )
        twin[i] = ((normal.to(x.device) * scales) @ directions.T + mean).to(x.dtype)
    return twin
