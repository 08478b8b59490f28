"""Where to compute: the device asked for, or the CPU where that device has no float64."""

from __future__ import annotations

import warnings
from functools import cache

import torch

from repscape.errors import InvalidParameterError


class DeviceFallbackWarning(RuntimeWarning):
    """A device cannot do what is needed, so the CPU does it."""


def on_capable_device(x: torch.Tensor, device: str | torch.device | None = None) -> torch.Tensor:
    """Bring x to a device (by default: leave it) that can sum and compare in float64.

    Where that device has no float64 (Apple's MPS, some others), x is brought to the CPU, and
    `DeviceFallbackWarning` says so.

    Raises
    ------
    InvalidParameterError
        If there is no such device here.
    """
    target = x.device if device is None else _device(device)
    if target == x.device and target.type == "cpu":
        return x
    if has_float64(target):
        return x.to(target)
    warnings.warn(
        f"device {target} has no float64, which sums and ambiguous comparisons need: this is "
        "computed on the CPU",
        DeviceFallbackWarning,
        stacklevel=3,
    )
    return x.cpu()


@cache
def has_float64(device: torch.device) -> bool:
    """Whether a device can hold and add float64 numbers."""
    try:
        torch.ones(2, device=device).sum().item()
    except (RuntimeError, AssertionError) as problem:
        reason = str(problem).splitlines()[0]
        raise InvalidParameterError(
            f"device={str(device)!r} cannot be used here ({reason}): leave `device` out to "
            "compute where the values are"
        ) from None
    try:
        torch.ones(2, dtype=torch.float64, device=device).sum().item()
    except (RuntimeError, TypeError):
        return False
    return True


def _device(name: str | torch.device) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as problem:
        reason = str(problem).splitlines()[0]
        raise InvalidParameterError(
            f"device={str(name)!r}: {reason}; write e.g. 'cpu', 'cuda' or 'cuda:1'"
        ) from None
