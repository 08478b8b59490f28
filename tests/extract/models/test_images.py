"""Image models of timm, torchvision and OpenCLIP give what these libraries give."""

from __future__ import annotations

import json

import numpy as np
import open_clip
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

import repscape
from repscape.data.images import as_pil
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    SampleError,
    UnavailableModelError,
    UnknownNameError,
    UnsafeFileError,
)
from repscape.extract.encode import encode

SMALL = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
UNTRAINED = {"pretrained": False}
SMALL_SWIN = {"img_size": 64, "window_size": 4, "embed_dim": 12}
IMAGES = list(np.random.default_rng(0).random((3, 3, 48, 40), dtype=np.float32))


def values(model, layers, poolings, contents=IMAGES):
    return {
        k: torch.from_numpy(r.values) for k, r in encode(model, contents, layers, poolings).items()
    }


def batch(model):
    return model.collate([model.prepare(image) for image in IMAGES])


@pytest.fixture(scope="module")
def vit():
    return repscape.load_model("timm:vit_tiny_patch16_224", pretrained=False, arguments=SMALL)


def test_a_vision_transformer_of_timm(vit):
    module, pixels = vit.module, batch(vit).arguments
    with torch.no_grad():
        tokens, blocks = (
            module.forward_features(pixels),
            module.get_intermediate_layers(pixels, n=3, norm=False, return_prefix_tokens=True),
        )
        logits, pre = module(pixels), module.forward_head(tokens, pre_logits=True)
    given = values(vit, ["block.*", "final_norm", "pre_logits", "logits"], ["flatten", "cls"])
    for i, (patches, prefix) in enumerate(blocks):
        whole = torch.cat([prefix, patches], 1)
        assert torch.equal(given[f"block.{i}", "flatten"], whole.flatten(1))
    assert torch.equal(given["final_norm", "flatten"], tokens.flatten(1))
    assert torch.equal(given["final_norm", "cls"], tokens[:, 0])
    assert torch.equal(given["pre_logits", "cls"], pre)
    assert torch.equal(given["logits", "cls"], logits)


def test_the_transform_is_that_of_the_weights(vit):
    config = timm.data.resolve_data_config({"input_size": (3, 32, 32)}, model=vit.module)
    own = timm.data.create_transform(**config, is_training=False)
    assert torch.equal(batch(vit).arguments[0], own(as_pil(IMAGES[0])))
    assert "Normalize" in vit.preprocessing
    assert "CenterCrop" in vit.preprocessing


def test_the_class_token_and_the_patches_are_told_apart(vit):
    out = repscape.load_model(
        "timm:vit_tiny_patch16_224", pretrained=False, arguments=SMALL, special_tokens="exclude"
    )
    tokens = values(vit, "block.1", "flatten")["block.1", "flatten"].reshape(3, 17, 24)
    given = values(vit, "block.1", ["mean", "spatial_mean", "max", "first_token"])
    torch.testing.assert_close(given["block.1", "mean"], tokens.mean(1))
    torch.testing.assert_close(given["block.1", "spatial_mean"], tokens[:, 1:].mean(1))
    assert torch.equal(given["block.1", "max"], tokens.amax(1))
    assert torch.equal(given["block.1", "first_token"], tokens[:, 0])
    without = encode(out, IMAGES, "block.1", ["mean", "none", "first_token", "cls"])
    torch.testing.assert_close(
        torch.from_numpy(without["block.1", "mean"].values), tokens[:, 1:].mean(1)
    )
    assert np.array_equal(without["block.1", "none"].values, tokens[:, 1:].reshape(48, 24))
    assert without["block.1", "none"].counts.tolist() == [16, 16, 16]
    assert np.array_equal(without["block.1", "first_token"].values, tokens[:, 1])
    assert np.array_equal(without["block.1", "cls"].values, tokens[:, 0])
    assert out.preprocessing != vit.preprocessing
    # before the class token is put in front, there is none to leave out or to take
    patches = values(out, "patch_embed", ["flatten", "mean"])
    whole = patches["patch_embed", "flatten"].reshape(3, 16, 24)
    torch.testing.assert_close(patches["patch_embed", "mean"], whole.mean(1))
    with pytest.raises(InvalidRepresentationError, match="no class token before them"):
        encode(out, IMAGES, "patch_embed", "cls")


def test_maps_with_channels_first_or_last_are_pooled_over_space():
    swin = repscape.load_model(
        "timm:swin_tiny_patch4_window7_224",
        pretrained=False,
        arguments={
            "img_size": 64,
            "window_size": 4,
            "embed_dim": 12,
            "depths": (1, 1),
            "num_heads": (2, 2),
        },
    )
    with torch.no_grad():
        last = swin.module.forward_features(batch(swin).arguments)  # (n, height, width, channels)
    given = values(swin, ["final_norm", "block.*", "pre_logits"], ["mean", "max"])
    torch.testing.assert_close(given["final_norm", "mean"], last.mean((1, 2)))
    assert torch.equal(given["final_norm", "max"], last.amax((1, 2)))
    assert given["block.0", "mean"].shape == (3, 12)
    torch.testing.assert_close(given["pre_logits", "mean"], last.mean((1, 2)))
    next_ = repscape.load_model(
        "timm:convnext_atto", pretrained=False, arguments={"depths": (1, 1, 1, 1)}
    )
    with torch.no_grad():
        last = next_.module.forward_features(batch(next_).arguments)  # (n, channels, …)
    given = values(next_, ["block.*"], ["spatial_mean"])
    torch.testing.assert_close(given["block.3", "spatial_mean"], last.mean((2, 3)))
    with pytest.raises(InvalidRepresentationError, match="have no first or last"):
        encode(next_, IMAGES, "block.3", "cls")


def test_a_residual_network_of_torchvision():
    model = repscape.load_model("torchvision:resnet18", pretrained=False)
    assert [n for n in model.layers() if "block" in n] == [f"block.{i}" for i in range(4)]
    pixels, network = batch(model).arguments, model.module
    stem = torch.nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    with torch.no_grad():
        first = network.layer1(stem(pixels))
        final = network.layer4(network.layer3(network.layer2(first)))
        logits = network(pixels)
    given = values(model, ["block.*", "avgpool", "pre_logits", "logits"], "mean")
    torch.testing.assert_close(given["block.0", "mean"], first.mean((2, 3)))
    torch.testing.assert_close(given["block.3", "mean"], final.mean((2, 3)))
    torch.testing.assert_close(given["pre_logits", "mean"], final.mean((2, 3)))
    assert torch.equal(given["avgpool", "mean"], given["pre_logits", "mean"])
    assert torch.equal(given["logits", "mean"], logits)
    transform = torchvision.models.ResNet18_Weights.DEFAULT.transforms()
    assert torch.equal(pixels[0], transform(as_pil(IMAGES[0])))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A small OpenCLIP model under a name of its own."""
    folder = tmp_path_factory.mktemp("configs")
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 20,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 3,
        },
    }
    (folder / "tiny-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    return "open_clip:tiny-clip"


def test_the_image_tower_of_openclip(clip):
    model = repscape.load_model(clip, tower="image", pretrained=False)
    whole, pixels = model.module.model, batch(model).arguments["image"]
    with torch.no_grad():
        features = whole.encode_image(pixels)
        states = whole.visual.forward_intermediates(
            pixels, output_fmt="NLC", normalize_intermediates=False
        )
    given = values(model, ["block.*", "final_norm", "features"], ["spatial_mean", "cls"])
    assert torch.equal(given["features", "cls"], features)
    for i, state in enumerate(states["image_intermediates"]):
        torch.testing.assert_close(given[f"block.{i}", "spatial_mean"], state.mean(1))
    assert set(model.layers()) == {"embeddings", "block.0", "block.1", "final_norm", "features"}


def test_the_text_tower_of_openclip(clip):
    texts = ["a cat", "the big dog ran far away", "mat " * 30]
    model = repscape.load_model(clip, tower="text", pretrained=False)
    prepared = [model.prepare(text) for text in texts]
    assert [one.truncated for one in prepared] == [False, False, True]
    tokens = open_clip.get_tokenizer("tiny-clip")(texts)
    whole = model.module.model
    with torch.no_grad():
        features = whole.encode_text(tokens)
        whole_states = whole.forward_intermediates(
            text=tokens, normalize_intermediates=False, normalize=False
        )["text_intermediates"]
    given = encode(model, texts, ["block.*", "features"], ["last_token", "none", "mean"])
    assert np.array_equal(given["features", "mean"].values, features.numpy())
    end = tokens.argmax(1)
    for i, state in enumerate(whole_states):
        assert np.array_equal(
            given[f"block.{i}", "last_token"].values, state[range(3), end].numpy()
        )
        mean = torch.stack([s[: e + 1].double().mean(0) for s, e in zip(state, end, strict=True)])
        np.testing.assert_allclose(given[f"block.{i}", "mean"].values, mean, rtol=1e-6, atol=1e-6)
    assert given["block.0", "none"].counts.tolist() == (end + 1).tolist()
    assert given["block.0", "none"].columns["token_id"][:4].tolist() == tokens[0, :4].tolist()
    inner = repscape.load_model(clip, tower="text", pretrained=False, special_tokens="exclude")
    assert (
        encode(inner, texts, "block.0", "none")["block.0", "none"].counts.tolist()
        == (end - 1).tolist()
    )
    with pytest.raises(SampleError, match="the model takes 20"):
        repscape.load_model(clip, tower="text", pretrained=False, overlong="refuse").prepare(
            texts[2]
        )


def test_weights_from_a_file_are_loaded_safely(vit, tmp_path):
    state = {name: tensor + 1 for name, tensor in vit.module.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    torch.save(vit.module, tmp_path / "evil.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "w.pt").read_bytes()[:500])
    load = lambda file: repscape.load_model(  # noqa: E731
        "timm:vit_tiny_patch16_224", arguments=SMALL, weights=str(tmp_path / file)
    )
    one, two = load("w.safetensors"), load("w.pt")
    assert torch.equal(one.module.norm.weight, state["norm.weight"])
    assert one.revision == two.revision != vit.revision
    with pytest.raises(UnsafeFileError, match="would execute code"):
        load("evil.pt")
    with pytest.raises(UnavailableModelError, match="it is damaged"):
        load("cut.pt")
    with pytest.raises(UnavailableModelError, match="there is no such file"):
        load("none.pt")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UnavailableModelError, match="not the weights of VisionTransformer"):
        load("other.safetensors")


def test_the_seed_of_an_untrained_model_is_its_revision(vit):
    load = lambda seed: repscape.load_model(  # noqa: E731
        "timm:vit_tiny_patch16_224", pretrained=False, arguments=SMALL, seed=seed
    )
    state = torch.get_rng_state()
    assert load(0).revision == vit.revision != load(1).revision
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("timm:vit_tinny_patch16_224", {}, UnknownNameError, "'vit_tiny_patch16_224'"),
        ("torchvision:resnet5", {}, UnknownNameError, "'resnet50'"),
        ("torchvision:resnet18", {"weights": "IMAGENET"}, InvalidParameterError, "IMAGENET1K_V1"),
        ("open_clip:ViT-B-32/openai", {}, InvalidParameterError, "tower='image' or 'text'"),
        ("open_clip:ViT-B-3/openai", {"tower": "text"}, UnknownNameError, "'ViT-B-32'"),
        ("open_clip:ViT-B-32/opnai", {"tower": "text"}, UnknownNameError, "'openai'"),
        (
            "timm:resnet18",
            {"special_tokens": "omit", "pretrained": False},
            InvalidParameterError,
            "omit",
        ),
    ],
)
def test_what_does_not_exist_is_said_with_the_nearest(name, options, error, message):
    with pytest.raises(error, match=message):
        repscape.load_model(name, **options)


def test_text_is_no_image(vit):
    with pytest.raises(SampleError, match="it is text, but this model takes images"):
        vit.prepare("a cat")
