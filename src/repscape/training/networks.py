"""Small networks for 8 × 8 images, of three architectures with four hidden layers each.

All of them take `(n, 1, 8, 8)` images, name their hidden layers `blocks.0` … `blocks.3`, turn
an image into one feature vector by `features`, and end in a `head` that the training
objective chooses. None has state besides its parameters (no running averages, no dropout),
so training and evaluation mode are the same function.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from repscape.errors import UnknownNameError, did_you_mean

IMAGE_SHAPE = (1, 8, 8)
HIDDEN_LAYERS = ("blocks.0", "blocks.1", "blocks.2", "blocks.3")


class Network(nn.Module):
    """Hidden layers `blocks`, feature vectors by `features`, and a `head` on top of them.

    Attributes
    ----------
    blocks : Sequential
        The hidden layers, in the order of execution.
    feature_width : int
        The length d of a feature vector.
    head : Module
        Turns `(n, d)` features into what the training objective asks for.
    """

    blocks: nn.Sequential
    head: nn.Module
    feature_width: int

    def features(self, images: Tensor) -> Tensor:
        """Turn `(n, 1, 8, 8)` images into `(n, feature_width)` feature vectors."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Return `head(features(images))`."""
        out: Tensor = self.head(self.features(images))
        return out


class ConvolutionalNetwork(Network):
    """Four 3 × 3 convolutions, two of which halve the resolution, averaged over space.

    Hidden layers have shapes `(n, 32, 8, 8)`, `(n, 32, 4, 4)`, `(n, 64, 4, 4)` and
    `(n, 64, 2, 2)`. The feature vector is the average of the last one over space.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature_width = 64
        self.blocks = nn.Sequential(
            ConvolutionalBlock(1, 32),
            ConvolutionalBlock(32, 32, stride=2),
            ConvolutionalBlock(32, 64),
            ConvolutionalBlock(64, 64, stride=2),
        )
        self.head = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        """Average the last hidden layer over space."""
        maps: Tensor = self.blocks(images)
        return maps.mean(dim=(2, 3))


class ConvolutionalBlock(nn.Module):
    """3 × 3 convolution, group normalisation, ReLU: `(n, c, h, w)` to `(n, out, h', w')`."""

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm = nn.GroupNorm(out_channels // 8, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block."""
        return functional.relu(self.norm(self.convolution(maps)))


class FullyConnectedNetwork(Network):
    """Four fully connected hidden layers of 128 units on the 64 pixels.

    Hidden layers have shape `(n, 128)`; the last one is the feature vector.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature_width = 128
        widths = (math.prod(IMAGE_SHAPE), 128, 128, 128, 128)
        self.blocks = nn.Sequential(
            *(FullyConnectedBlock(a, b) for a, b in itertools.pairwise(widths))
        )
        self.head = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        """Return the last hidden layer."""
        units: Tensor = self.blocks(images.flatten(start_dim=1))
        return units


class FullyConnectedBlock(nn.Module):
    """Linear map, layer normalisation, ReLU: `(n, width)` to `(n, out_width)`."""

    def __init__(self, width: int, out_width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out_width, bias=False)
        self.norm = nn.LayerNorm(out_width)

    def forward(self, units: Tensor) -> Tensor:
        """Apply the block."""
        return functional.relu(self.norm(self.linear(units)))


class TransformerNetwork(Network):
    """A vision transformer: 2 × 2 patches, learned positions, four blocks, averaged tokens.

    Hidden layers have shape `(n, 16, 48)`: the residual stream of one token for each patch,
    row by row. There is no class token. The feature vector is the normalised residual stream
    after the last block, averaged over the tokens.

    Source: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words".
    """

    def __init__(self) -> None:
        super().__init__()
        width, tokens = 48, 16
        self.feature_width = width
        self.patches = nn.Conv2d(1, width, kernel_size=2, stride=2)
        self.positions = nn.Parameter(torch.empty(tokens, width))
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads=2) for _ in HIDDEN_LAYERS))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        """Average the tokens after the last block."""
        tokens: Tensor = self.patches(images).flatten(start_dim=2).transpose(1, 2)
        tokens = self.norm(self.blocks(tokens + self.positions))
        return tokens.mean(dim=1)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and a two-layer perceptron, each added to `(n, tokens, width)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.perceptron_norm = nn.LayerNorm(width)
        self.perceptron_in = nn.Linear(width, 2 * width)
        self.perceptron_out = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply the block."""
        tokens = tokens + self._attend(self.attention_norm(tokens))
        hidden = functional.gelu(self.perceptron_in(self.perceptron_norm(tokens)))
        update: Tensor = self.perceptron_out(hidden)
        return tokens + update

    def _attend(self, tokens: Tensor) -> Tensor:
        n, count, width = tokens.shape
        joint = self.queries_keys_values(tokens).view(n, count, 3, self.heads, width // self.heads)
        queries, keys, values = joint.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.attention_out(mixed.transpose(1, 2).reshape(n, count, width))
        return out


ARCHITECTURES: dict[str, Callable[[], Network]] = {
    "cnn": ConvolutionalNetwork,
    "mlp": FullyConnectedNetwork,
    "transformer": TransformerNetwork,
}


def build(architecture: str, head: Callable[[int], nn.Module]) -> Network:
    """Make a network with this head; its parameters have no values yet.

    Parameters
    ----------
    architecture : str
        One of `ARCHITECTURES`.
    head : callable
        Makes the head for a given feature width.

    Raises
    ------
    UnknownNameError
        If no architecture has that name.
    """
    if architecture not in ARCHITECTURES:
        hint = did_you_mean(architecture, ARCHITECTURES)
        raise UnknownNameError(f"no architecture is called {architecture!r}: {hint}")
    # Modules draw from the global random state, which stays as it was. (On the meta device they
    # draw nothing, but emptying them then imports sympy, which takes longer than all of this.)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        network = ARCHITECTURES[architecture]()
        network.head = head(network.feature_width)
    return network.to(torch.float32)


def initialise(network: Network, generator: torch.Generator) -> None:
    """Draw every parameter from `generator`, in the order of `named_parameters`.

    Weights are normal with variance 1 / fan-in (LeCun et al. 1998, "Efficient BackProp",
    eq. 16), fan-in being the number of inputs of one unit; scales of normalisations are one,
    biases are zero, and learned positions are normal with standard deviation 0.5. The last
    map of each residual branch is drawn 1/√(2 · blocks) times smaller, so that the variance
    of the residual stream does not grow with depth (Radford et al. 2019, section 2.3).
    """
    branch_scale = 1 / math.sqrt(2 * len(network.blocks))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name == "positions":
                parameter.normal_(0.0, 0.5, generator=generator)
            elif parameter.ndim >= 2:
                scale = branch_scale if name.endswith("_out.weight") else 1.0
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, scale / math.sqrt(fan_in), generator=generator)
            else:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
