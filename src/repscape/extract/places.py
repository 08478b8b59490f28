"""`Places`: an output as positions × features, with the positions that count."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from repscape.errors import InvalidRepresentationError
from repscape.extract.layouts import Layout
from repscape.extract.marks import Marks

_FEWEST_AXES = 2


@dataclass(frozen=True)
class Places:
    """The output of one layer for a batch, seen as (samples, positions, features).

    Attributes
    ----------
    whole : tensor (n, …)
        The output as it came.
    values : tensor (n, P, d)
        Its positions: tokens, or pixels row by row; one if the output is (n, d).
    axes : int
        The axes of the output: 2 for vectors, 3 for tokens, 4 or more for maps.
    counted, attended : tensor of bool (n, P), optional
        Which positions count, and which are no padding; None: all.
    token_ids : tensor of int (n, P), optional
    prefix : int or None
        How many positions in front are no place in space; None if that is not known.
    is_text : bool
        Whether the positions are tokens of a mask, and not places in space.
    """

    whole: torch.Tensor
    values: torch.Tensor
    axes: int
    counted: torch.Tensor | None = None
    attended: torch.Tensor | None = None
    token_ids: torch.Tensor | None = None
    prefix: int | None = 0
    is_text: bool = False

    @property
    def is_vector(self) -> bool:
        """Whether a sample is one vector, so that there is nothing to pool."""
        return self.axes == _FEWEST_AXES

    @classmethod
    def of(cls, output: torch.Tensor, layout: Layout, marks: Marks) -> Places:
        """See an output as positions.

        Raises
        ------
        InvalidRepresentationError
            If the axes of features and samples cannot be told apart, or the positions are
            not those that the mask is about.
        """
        if layout == "unclear":
            raise InvalidRepresentationError(
                f"shape {tuple(output.shape)}, whose axes cannot be told apart (the features are "
                "spread over several, as heads are, were summed up, or went through an operation "
                "that is not followed): pool with 'flatten', or choose a layer inside it or next "
                "to it, and leave it out of a glob with '!name'"
            )
        whole = output.transpose(0, 1) if layout == "sequence_first" else output
        if whole.ndim == _FEWEST_AXES:
            return cls(whole, whole[:, None], whole.ndim)
        values = whole.flatten(2).transpose(1, 2) if layout == "first" else whole.flatten(1, -2)
        if whole.ndim > 3:
            if marks.mask is not None:
                raise InvalidRepresentationError(
                    f"shape {tuple(output.shape)}, which is no vector for each token: choose a "
                    "layer that gives (samples, tokens, features)"
                )
            return cls(whole, values, whole.ndim)
        if marks.mask is not None:
            return _tokens(whole, values, marks, marks.mask)
        return _patches(whole, values, marks)


def _tokens(whole: torch.Tensor, values: torch.Tensor, marks: Marks, mask: torch.Tensor) -> Places:
    attended = mask if marks.attended is None else marks.attended
    if not bool(mask.any(1).all()):
        raise InvalidRepresentationError(
            "no token that counts for some sample of the batch: of an encoder–decoder, the encoder "
            "reads the prompt and the decoder writes the answer (option part)"
        )
    if mask.shape == values.shape[:2]:
        return Places(whole, values, 3, mask, attended, marks.token_ids, is_text=True)
    if bool(mask.all()) and mask.shape[0] == values.shape[0]:
        return Places(whole, values, 3, is_text=True)
    raise InvalidRepresentationError(
        f"{values.shape[1]} positions where the batch has {mask.shape[1]} tokens, so that it "
        "cannot be said which of them are padding or do not count: choose a layer that keeps "
        "the tokens"
    )


def _patches(whole: torch.Tensor, values: torch.Tensor, marks: Marks) -> Places:
    count = values.shape[1]
    if marks.places is None:
        return Places(whole, values, 3, prefix=None)
    prefix = count - marks.places
    if prefix not in (0, marks.prefix):
        return Places(whole, values, 3, prefix=None)
    if not prefix or marks.counts_prefix:
        return Places(whole, values, 3, prefix=prefix)
    counted = torch.arange(count, device=values.device) >= prefix
    return Places(whole, values, 3, counted.expand(values.shape[0], -1), prefix=prefix)
