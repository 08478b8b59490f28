from __future__ import annotations

import pytest
import torch
from torch import Tensor

from repscape.data.arrays import ArrayData
from repscape.data.digits import digits


@pytest.fixture(scope="session")
def training() -> ArrayData:
    return digits("train")


@pytest.fixture(scope="session")
def held_out() -> ArrayData:
    return digits("held_out")


@pytest.fixture(scope="session")
def images(training: ArrayData) -> Tensor:
    return torch.from_numpy(training.inputs)[:200]


@pytest.fixture(scope="session")
def labels(training: ArrayData) -> Tensor:
    return torch.from_numpy(training.labels)[:200]
