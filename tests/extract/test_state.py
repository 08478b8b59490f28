from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from toy_networks import Blocks, Conv, Tokens, Wrapped, build, images, sentences, vectors

from repscape.extract.extract import extract
from repscape.extract.state import exact_cudnn


def hooks(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def state(module):
    """Everything about a module and the process that an extraction could disturb."""
    return {
        "training": [m.training for m in module.modules()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "pointers": [p.data_ptr() for p in [*module.parameters(), *module.buffers()]],
        "values": [t.detach().clone().numpy().tobytes() for t in module.state_dict().values()],
        "gradients": [None if p.grad is None else p.grad.data_ptr() for p in module.parameters()],
        "hooks": hooks(module),
        "grad": torch.is_grad_enabled(),
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": np.random.get_state()[1].tobytes(),  # noqa: NPY002
        "python": random.getstate(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "threads": torch.get_num_threads(),
    }


def partly_frozen():
    network = build(Conv)
    network.norm.eval()
    network.conv1.requires_grad_(False)
    network.head(torch.ones(1, 6)).sum().backward()
    network.act.register_forward_hook(lambda *_: None)
    return network


def test_the_callers_state_is_as_before():
    network = partly_frozen()
    before = state(network)
    extract(network, images(10, 4), "*")
    assert state(network) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("where", ["model", "batches", "progress"])
def test_the_callers_state_is_as_before_after_an_error(error, where):
    network = partly_frozen()
    calls = 0

    def disturb(*_):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise error("stop")

    def batches():
        for item in images(12, 4):
            if where == "batches":
                disturb()
            yield item

    if where == "model":
        network.conv2.register_forward_hook(disturb)
    before = state(network)
    with pytest.raises(error, match="stop"):
        extract(network, batches(), "*", progress=disturb if where == "progress" else None)
    assert state(network) == before


def test_the_module_is_evaluated_without_gradients_and_the_batches_are_made_with_them():
    seen = []

    def batches():
        for item in vectors(8, 4):
            seen.append(("batch", torch.is_grad_enabled()))
            yield item

    def make(x):
        seen.append(("model", torch.is_grad_enabled() or network.training))
        return x

    network = build(Wrapped, make=make)
    extract(network, batches(), "inside")
    assert seen == [("batch", True), ("model", False)] * 2


def test_the_callers_random_numbers_go_on_as_without_an_extraction():
    network = build(Wrapped, make=lambda x: x + torch.rand(x.shape))

    def batches():
        for i in range(3):
            yield [f"s{i}"], torch.rand(1, 4)

    torch.manual_seed(5)
    drawn = torch.cat([x for _, x in batches()])
    expected = torch.rand(3)
    torch.manual_seed(5)
    got = extract(network, batches(), "inside")["inside"]
    assert torch.equal(torch.rand(3), expected)
    noise = got.values - drawn.numpy()
    assert ((noise > -1e-6) & (noise < 1)).all()


def test_a_random_layer_gives_the_same_bits_each_time():
    network = build(Wrapped, make=lambda x: torch.dropout(x, 0.5, True))
    torch.manual_seed(1)
    first = extract(network, vectors(12, 4), "inside")["inside"].values
    torch.manual_seed(2)
    again = extract(network, vectors(12, 4), "inside")["inside"].values
    np.testing.assert_array_equal(first, again)
    masks = (first == 0).reshape(3, 4, 8)
    assert (masks[0] != masks[1]).any(), "another batch draws other numbers"


def test_autocast_of_the_caller_does_not_reach_in():
    network = build(Blocks)
    plain = extract(network, vectors(8, 4), "head")["head"].values
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = extract(network, vectors(8, 4), "head")["head"].values
        assert torch.is_autocast_enabled("cpu")
    np.testing.assert_array_equal(plain, inside)


def test_a_table_made_in_the_first_forward_can_be_trained_with_afterwards():
    class Caching(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)
            self.scale = None

        def forward(self, x):
            if self.scale is None:
                self.scale = torch.ones(8)
            return self.linear(x) * self.scale

    network = build(Caching)
    extract(network, vectors(4, 4), "linear")
    network(vectors(4, 4)[0][1]).sum().backward()
    assert network.linear.weight.grad.abs().sum() > 0


def test_dropout_is_off_whatever_the_caller_had():
    network = build(Tokens)
    training = extract(network, sentences(8, 4), "norm")["norm"].values
    evaluating = extract(network.eval(), sentences(8, 4), "norm")["norm"].values
    np.testing.assert_array_equal(training, evaluating)


def test_a_module_that_was_moved_in_vain_gets_its_own_tensors_back():
    network = partly_frozen()
    parameters = dict(network.named_parameters())
    before = state(network)
    with pytest.raises((NotImplementedError, RuntimeError)):
        extract(network, images(10, 4), "*", device="meta")  # a device that computes nothing
    assert state(network) == before
    assert all(network.get_parameter(name) is p for name, p in parameters.items())


def cudnn_settings():
    cudnn = torch.backends.cudnn
    return cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32


def test_cudnn_computes_in_full_precision_and_is_reset_afterwards():
    before = cudnn_settings()
    with exact_cudnn():
        inside = cudnn_settings()
    assert inside == (True, False, False)
    assert cudnn_settings() == before


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="needs torch 2.9")
def test_a_precision_that_the_caller_set_for_one_operation_is_kept():
    conv = torch.backends.cudnn.conv
    before = conv.fp32_precision
    conv.fp32_precision = "ieee"
    try:
        with exact_cudnn():
            assert conv.fp32_precision == "ieee"
        assert conv.fp32_precision == "ieee"
    finally:
        conv.fp32_precision = before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("error", [None, RuntimeError])
def test_a_module_is_moved_and_gets_its_own_tensors_back(error):
    network = partly_frozen()
    host = extract(network, images(10, 4), "*")
    before = state(network)
    cuda = torch.cuda.get_rng_state()

    def progress(done, total):
        if error is not None:
            raise error("stop")

    try:
        moved = extract(network, images(10, 4), "*", device="cuda", progress=progress)
    except RuntimeError:
        assert error is not None
    else:
        for name, rep in moved.items():
            np.testing.assert_allclose(rep.values, host[name].values, rtol=1e-5, atol=1e-6)
    assert state(network) == before
    assert torch.equal(torch.cuda.get_rng_state(), cuda)
    assert {p.device.type for p in network.parameters()} == {"cpu"}
    network.cuda()
    resident = extract(network, images(10, 4), "*")
    for name, rep in resident.items():
        np.testing.assert_allclose(rep.values, host[name].values, rtol=1e-5, atol=1e-6)
