"""Leave the caller's module and process as they were found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from repscape.errors import InvalidParameterError


@contextmanager
def evaluating(module: torch.nn.Module, device: torch.device | None) -> Iterator[None]:
    """Hold the module in evaluation mode, on `device` if given, and put everything back.

    The training flag of every submodule is set and restored by itself, since a caller may
    have frozen some. A module that was moved gets back the very tensors it had.
    """
    flags = [(part, part.training) for part in module.modules()]
    try:
        for part, _ in flags:
            part.training = False
        with _moved(module, device):
            yield
    finally:
        for part, flag in flags:
            part.training = flag


@contextmanager
def isolated_forward(device: torch.device, seed: int) -> Iterator[None]:
    """Run a forward pass without gradients, without the global random state, without autocast.

    A layer that draws random numbers in evaluation mode draws them from `seed`, so that a
    batch gives the same bits whenever it is run; the caller's generators are restored.
    `no_grad` and not `inference_mode`: a table that the module caches in its first forward
    (rotary angles, masks) must stay usable in the caller's own training.
    """
    cuda = [_cuda_index(device)] if device.type == "cuda" else []
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        torch.default_generator.manual_seed(seed)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(seed)
            stack.enter_context(exact_cudnn())
        yield


def device_of(module: torch.nn.Module) -> torch.device | None:
    """Return the device of the first weight, or None for a module without weights."""
    weights = [*module.parameters(), *module.buffers()]
    return weights[0].device if weights else None


def usable_device(device: str | torch.device, option: str = "device") -> torch.device:
    """The device of that name; `option` is what it was given as, for the message.

    Raises
    ------
    InvalidParameterError
        If there is no such device, or this machine has none.
    """
    try:
        found = torch.device(device)
        lacking = _lacking(found)
    except RuntimeError as problem:
        reason = str(problem).splitlines()[0]
        raise InvalidParameterError(f"{option}={device!r}: {reason}") from None
    if lacking is not None:
        raise InvalidParameterError(f"{option}={str(device)!r}: {lacking}")
    return found


def _lacking(device: torch.device) -> str | None:
    """Why torch cannot use a device here, if it cannot; no memory is taken on it."""
    if device.type in ("cpu", "meta"):
        return None
    backend = torch.get_device_module(device)
    count = backend.device_count() if backend.is_available() else 0
    if count == 0:
        kind = "GPU" if device.type == "cuda" else f"device of type {device.type}"
        return f"this machine has no {kind} that torch can use: give cpu"
    if (device.index or 0) >= count:
        return f"this machine has {count}, {device.type}:0 to {device.type}:{count - 1}"
    return None


def to_device(inputs: Any, device: torch.device | None) -> Any:
    """Move the tensors in nested tuples, lists and dictionaries; leave other things alone."""
    if isinstance(inputs, torch.Tensor):
        return inputs if device is None else inputs.to(device)
    if isinstance(inputs, tuple | list):
        return [to_device(item, device) for item in inputs]
    if hasattr(inputs, "keys"):
        return {name: to_device(inputs[name], device) for name in inputs}
    return inputs


@contextmanager
def _moved(module: torch.nn.Module, device: torch.device | None) -> Iterator[None]:
    held = [*module.parameters(), *module.buffers()]
    if device is None or all(tensor.device == device for tensor in held):
        yield
        return
    own = [(part, dict(part._parameters), dict(part._buffers)) for part in module.modules()]
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    data = [(tensor, tensor.data) for tensor in (*held, *gradients)]
    try:
        module.to(device)
        yield
    finally:
        for part, parameters, buffers in own:
            part._parameters.update(parameters)
            part._buffers.update(buffers)
        for tensor, values in data:
            tensor.data = values


@contextmanager
def exact_cudnn() -> Iterator[None]:
    """Let cuDNN compute in full float32, by the same algorithm each time.

    By default torch lets convolutions use TF32, although not matrix products. A caller who
    has set the precision of single operations is left with that choice.
    """
    cudnn = torch.backends.cudnn
    settings = {"deterministic": True, "benchmark": False, "allow_tf32": False}
    try:
        before = {name: getattr(cudnn, name) for name in settings}
    except RuntimeError:  # torch refuses to sum up precisions that differ by operation
        del settings["allow_tf32"]
        before = {name: getattr(cudnn, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(cudnn, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(cudnn, name, value)


def _cuda_index(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
