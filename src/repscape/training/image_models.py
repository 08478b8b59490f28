"""A small ImageGPT on the handwritten digits, their pixels clustered into a few colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from repscape.compute.threads import one_thread
from repscape.data.digits import digits
from repscape.extras import import_extra
from repscape.training.pretraining import PretrainingRecipe

_PURPOSE = "training a small ImageGPT"


class ImageGPTLesson:
    """Prediction of the colour of the next pixel, in raster order; a `Lesson`.

    As published, the input is the token SOS and all pixels but the last.
    """

    def __init__(self, recipe: PretrainingRecipe) -> None:
        transformers = import_extra("transformers", "hub", _PURPOSE)
        data = digits("all")
        self.recipe = recipe
        self._side = int(data.inputs.shape[-1])
        pixels = 2.0 * data.inputs.reshape(len(data), -1, 1).astype(np.float64) - 1.0
        self._clusters = _colours(pixels.reshape(-1, 1), recipe.vocabulary)
        nearest = np.abs(pixels - self._clusters[:, 0]).argmin(axis=-1)
        self._tokens = torch.from_numpy(nearest.astype(np.int64))
        self.network: nn.Module = transformers.ImageGPTForCausalImageModeling(
            transformers.ImageGPTConfig(
                vocab_size=recipe.vocabulary + 1,  # and SOS, the last
                n_positions=self._side**2,
                n_embd=recipe.width,
                n_layer=recipe.layers,
                n_head=recipe.heads,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
            )
        )

    def loss(self, generator: torch.Generator) -> Tensor:
        """The mean cross-entropy of the next pixel, in nats."""
        shape = (self.recipe.batch_size,)
        tokens = self._tokens[torch.randint(len(self._tokens), shape, generator=generator)]
        start = torch.full((len(tokens), 1), self.recipe.vocabulary)
        inputs = torch.cat([start, tokens[:, :-1]], dim=1)
        logits = self.network(input_ids=inputs, use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())

    def save(self, folder: Path) -> None:
        """Write the network and the image processor with its colours."""
        transformers = import_extra("transformers", "hub", _PURPOSE)
        network: Any = self.network
        network.save_pretrained(folder)
        processor = transformers.ImageGPTImageProcessor(
            clusters=np.repeat(self._clusters, 3, axis=1).tolist(),
            size={"height": self._side, "width": self._side},
        )
        processor.save_pretrained(folder)


def lesson(recipe: PretrainingRecipe) -> ImageGPTLesson:
    """What `FAMILIES` names."""
    return ImageGPTLesson(recipe)


def data_revision() -> str:
    """A digest of the digits."""
    return digits("all").revision


def _colours(pixels: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """The centres of `count` clusters of pixels, ascending, (count, 1)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    levels, weights = np.unique(pixels[:, 0], return_counts=True)
    first = np.quantile(levels, np.linspace(0, 1, count))[:, None]
    with one_thread(), threadpool_limits(1):
        fitted = KMeans(count, init=first, n_init=1).fit(levels[:, None], sample_weight=weights)
    centres: npt.NDArray[np.float64] = np.sort(fitted.cluster_centers_, axis=0)
    return centres
