"""A device without float64 hands over to the CPU and says so; no such device is an error."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from repscape.compare import compare, similarity_matrix
from repscape.compute import device as devices
from repscape.compute.device import DeviceFallbackWarning, has_float64, on_capable_device
from repscape.compute.neighbours import neighbours
from repscape.errors import InvalidParameterError
from repscape.streaming import compare_streams


class WithoutFloat64(TorchDispatchMode):
    """The CPU as a device that refuses float64, with the error that MPS raises."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        keywords = keywords or {}
        values = [*tree_leaves((arguments, keywords)), function(*arguments, **keywords)]
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        if torch.float64 in [*(t.dtype for t in tensors), keywords.get("dtype")]:
            raise TypeError("Cannot convert a tensor to float64: the framework doesn't support it")
        return values[-1]


@pytest.fixture
def no_float64_on_meta(monkeypatch):
    """A device other than the CPU that says it has no float64."""
    monkeypatch.setattr(devices, "has_float64", lambda device: device.type == "cpu")


def test_a_device_that_refuses_float64_is_recognised():
    has_float64.cache_clear()
    try:
        with WithoutFloat64():
            assert not has_float64(torch.device("cpu"))
    finally:
        has_float64.cache_clear()
    assert has_float64(torch.device("cpu"))


def test_values_asked_onto_such_a_device_stay_on_the_cpu(no_float64_on_meta):
    x = torch.randn(5, 2)
    with pytest.warns(DeviceFallbackWarning, match=r"device meta has no float64.*on the CPU"):
        assert on_capable_device(x, "meta").device.type == "cpu"


def test_scores_are_computed_on_the_cpu_instead(no_float64_on_meta):
    x, y = torch.randn(40, 3), torch.randn(40, 4)
    with pytest.warns(DeviceFallbackWarning, match="on the CPU"):
        score = compare(x, y, device="meta")
    assert score.value == compare(x, y).value
    with pytest.warns(DeviceFallbackWarning, match="on the CPU"):
        table = similarity_matrix([x, y], device="meta").table
    assert table["value"].tolist() == [score.value]
    with pytest.warns(DeviceFallbackWarning, match="on the CPU"):
        streamed = compare_streams(x, y, device="meta")
    assert streamed.value == compare_streams(x, y).value


def test_values_on_the_cpu_stay_there_without_a_word(recwarn):
    x = torch.randn(5, 2)
    assert on_capable_device(x) is x
    assert on_capable_device(x, "cpu") is x
    assert neighbours(x, 2).k == 2
    assert not [w for w in recwarn if issubclass(w.category, DeviceFallbackWarning)]


@pytest.mark.parametrize("name", ["abacus", "cuda:99"])
def test_an_unknown_device_is_an_error_that_says_so(name):
    with pytest.raises(InvalidParameterError, match=f"device='{name}'"):
        compare(torch.randn(9, 2), torch.randn(9, 2), device=name)
