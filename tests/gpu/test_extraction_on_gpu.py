"""On a CUDA device models give the rows that they give on the CPU, and batches shrink to fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import SENTENCES, saved

import repscape
from repscape.data.load_data import load_data
from repscape.data.source import DataSource
from repscape.extract.extract import extract
from repscape.store import Store

pytestmark = pytest.mark.gpu

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
KINDS = ["gpt2", "qwen3", "bert", "esm", "t5"]


@pytest.fixture(autouse=True)
def full_precision():
    """Convolutions may use ten-bit products on a GPU; these tests compare all bits of float32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def texts_of(kind: str) -> DataSource:
    if kind == "esm":
        return load_data(["MKTAYIAK", "GA", "LLVSERTIDPK"], modality="protein")
    return load_data(SENTENCES)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_of_a_language_model(kind: str, tmp_path):
    folder = str(saved(tmp_path, kind))
    here, there = (
        extract(repscape.load_model(folder, device=device), texts_of(kind))
        for device in ("cpu", "cuda")
    )
    assert list(here) == list(there)
    for name, rep in here.items():
        np.testing.assert_allclose(there[name].values, rep.values, **CLOSE)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_layers_of_an_image_model(kind: str, tmp_path):
    folder = str(saved(tmp_path, kind))
    pixels = np.random.default_rng(0).random((9, 3, 32, 32), dtype=np.float32)
    images = load_data(list(pixels), modality="image")
    here, there = (
        extract(repscape.load_model(folder, device=device), images, batch_size=4)
        for device in ("cpu", "cuda")
    )
    for name, rep in here.items():
        np.testing.assert_allclose(there[name].values, rep.values, **CLOSE)


class Hungry(torch.nn.Module):
    """A row of numbers in, the same row out, by way of a great many copies of it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = torch.zeros(len(x), 64 * 2**20, device=x.device)  # 256 MiB a sample
        return self.inner(x) + wide[:, :8]


def test_a_batch_that_does_not_fit_is_halved(tmp_path):
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(3 * 2**30 / total)  # eleven samples fit
    try:
        model = repscape.load_model(Hungry(), preprocess=torch.as_tensor, device="cuda")
        rows = list(np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
        store = Store(tmp_path)
        got = extract(model, load_data(rows), "inner", store=store, batch_size=32)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    plan = store.manifest(got["inner"].key).beside["plan"]
    assert [step["plan"]["batch_samples"] for step in plan] == [32, 16, 8]
    network = model.module.cpu().inner
    with torch.no_grad():
        wanted = network(torch.from_numpy(np.stack(rows)))
    np.testing.assert_allclose(got["inner"].values, wanted, **CLOSE)


def test_a_process_of_its_own_for_the_device(tmp_path):
    folder = str(saved(tmp_path, "gpt2"))
    one = extract(folder, texts_of("gpt2"), "block.*", device="cuda")
    split = extract(folder, texts_of("gpt2"), "block.*", devices=["cuda:0"])
    for name, rep in one.items():
        np.testing.assert_array_equal(split[name].values, rep.values)


def test_a_model_spread_by_device_map(tmp_path):
    pytest.importorskip("accelerate")
    folder = str(saved(tmp_path, "qwen3"))
    whole = extract(repscape.load_model(folder, device="cuda"), texts_of("qwen3"), "block.*")
    parts = {"model.embed_tokens": 0, "model.layers.0": 0, "model.layers.1": "cpu"}
    rest = {"model.layers.2": 0, "model.norm": 0, "model.rotary_emb": 0, "lm_head": 0}
    spread = repscape.load_model(folder, device_map={**parts, **rest})
    got = extract(spread, texts_of("qwen3"), "block.*")
    for name, rep in whole.items():
        np.testing.assert_allclose(got[name].values, rep.values, **CLOSE)
