"""Random halves of a representation, for the reliability of scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from repscape.compute.seeds import seeded
from repscape.errors import InvalidParameterError, TooFewSamplesError
from repscape.representation import Representation, RepresentationLike, as_representation


def split_halves(
    x: RepresentationLike, of: Literal["samples", "features"] = "samples", seed: int = 0
) -> tuple[Representation, Representation]:
    """Split a representation into two random halves of its samples or of its features.

    Halves of the samples agree between representations with the same samples and seed, so that
    scores of all pairs can be computed on either half; `analysis.noise_ceiling.reliability`
    turns the two sets of scores into a reliability. Of an odd number one is left over.

    Raises
    ------
    TooFewSamplesError
        Fewer than two samples or features.
    """
    if of not in ("samples", "features"):
        raise InvalidParameterError(f"of={of!r}: write 'samples' or 'features'")
    rep = as_representation(x, "x")
    count = rep.n if of == "samples" else rep.d
    if count < 2:
        raise TooFewSamplesError(f"{count} {of} cannot be split into halves")
    order = torch.randperm(count, generator=seeded(seed))
    half = count // 2
    first, second = (order[i * half : (i + 1) * half].sort().values.numpy() for i in (0, 1))
    if of == "samples":
        ids = rep.sample_ids
        return rep.select(ids[first]), rep.select(ids[second])
    return (
        replace(rep, values=rep.values[:, first], key=None),
        replace(rep, values=rep.values[:, second], key=None),
    )
