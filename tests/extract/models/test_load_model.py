"""What `load_model` says when a model cannot be had, and models of the user's own."""

from __future__ import annotations

import json
import logging
import sys

import numpy as np
import pytest
import torch
from tiny_models import SENTENCES, build, image_processor, saved, tokenizer
from torch import nn

import repscape
from repscape.errors import (
    InvalidParameterError,
    MissingExtraError,
    SampleError,
    UnavailableModelError,
    UnknownNameError,
    UnsafeFileError,
)
from repscape.extract.encode import encode
from repscape.extract.models.base import LoadedModel, model_sources


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def offline(monkeypatch):
    """No hub, whatever the machine has."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_the_sources_are_found_where_they_are_defined():
    prefixes = [source.prefix for source in model_sources()]
    assert prefixes == [
        "hf",
        "module",
        "open_clip",
        "python",
        "sentence-transformers",
        "timm",
        "torchvision",
    ]
    assert all(source.summary for source in model_sources())


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (
            "hff:gpt2",
            UnknownNameError,
            "no models come from 'hff:': did you mean 'hf:'",
        ),
        ("tim:resnet18", UnknownNameError, "did you mean 'timm:'"),
        ("zzz:resnet18", UnknownNameError, "known: hf:, open_clip:, python:"),
        ("module:x", UnknownNameError, "no models come from 'module:'"),
        ("gpt2", UnknownNameError, "no such folder, and it has no prefix.*hf:"),
        ("hf:./nothing/here", UnavailableModelError, "there is no such folder"),
        ("hf:nobody/no-such-model", UnavailableModelError, "the hub cannot be reached"),
        ("sentence-transformers:no-such-model", UnavailableModelError, "the hub cannot be reached"),
        ("python:no_such_package.x:f", UnknownNameError, "no module 'no_such_package'"),
        ("python:json:dumpz", UnknownNameError, "json has no function 'dumpz'.*'dumps'"),
        ("python:json", UnknownNameError, "write python:package.module:function"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_a_model_that_is_not_there_says_why_and_what_to_do(name, error, message):
    with pytest.raises(error, match=message):
        repscape.load_model(name)


@pytest.mark.usefixtures("offline")
def test_code_of_others_runs_only_at_a_commit(root, tmp_path):
    for revision in (None, "main", "abc123"):
        with pytest.raises(InvalidParameterError, match="name the commit too"):
            repscape.load_model("hf:some/model", trust_remote_code=True, revision=revision)
    config = json.loads((saved(root, "gpt2") / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(UnavailableModelError, match="it brings code of its own"):
        repscape.load_model(f"hf:{tmp_path}")


def test_a_damaged_or_incomplete_checkpoint_is_refused(root, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(saved(root, "gpt2"), tmp_path / "a")
    weights = tmp_path / "a" / "model.safetensors"
    state = load_file(weights)
    lost = next(name for name in state if name.endswith("h.1.ln_1.weight"))
    save_file({k: v for k, v in state.items() if k != lost}, weights, {"format": "pt"})
    with pytest.raises(UnavailableModelError, match=r"no weights.*h\.1\.ln_1\.weight.*at random"):
        repscape.load_model(str(tmp_path / "a"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UnavailableModelError, match=r"model '.*a': "):
        repscape.load_model(str(tmp_path / "a"))
    weights.unlink()
    with pytest.raises(UnavailableModelError, match=r"model\.safetensors"):
        repscape.load_model(str(tmp_path / "a"))


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_old_weight_files_are_read_without_executing_them(root, tmp_path, capfd):
    import shutil

    from safetensors.torch import load_file

    folder = tmp_path / "old"
    shutil.copytree(saved(root, "gpt2"), folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    own = repscape.load_model(str(folder)).module.ln_f.weight
    assert torch.equal(own, state["transformer.ln_f.weight"])
    torch.save({**state, "more": Evil()}, folder / "pytorch_model.bin")
    with pytest.raises(UnsafeFileError, match="would execute code"):
        repscape.load_model(str(folder))
    assert "executed" not in capfd.readouterr().out


def test_a_pooler_without_weights_is_left_out_without_an_alarm(root, tmp_path):
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        bare = transformers.BertModel(build("bert").config, add_pooling_layer=False)
    bare.save_pretrained(tmp_path)
    for file in saved(root, "bert").glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    log, records = logging.getLogger("transformers.modeling_utils"), []
    handler = logging.Handler()
    handler.emit = records.append
    log.addHandler(handler)
    try:
        transformers.BertModel.from_pretrained(tmp_path)  # the library says that it drew a pooler
        assert len(records) == 1
        model = repscape.load_model(str(tmp_path))
        assert (len(records), log.filters) == (1, [])
    finally:
        log.removeHandler(handler)
    with pytest.raises(UnknownNameError, match=r"'pooler\.dense' matches nothing"):
        model.resolve("pooler.dense")
    assert encode(repscape.load_model(str(saved(root, "bert"))), ["a mat"], "pooler.dense")


def test_a_folder_without_tokenizer_or_processor_says_so(tmp_path):
    build("gpt2").save_pretrained(tmp_path / "text")
    build("vit").save_pretrained(tmp_path / "image")
    with pytest.raises(UnavailableModelError, match="its tokenizer cannot be loaded"):
        repscape.load_model(str(tmp_path / "text"))
    with pytest.raises(UnavailableModelError, match="its image processor cannot be loaded"):
        repscape.load_model(str(tmp_path / "image"))


def test_the_revision_is_that_of_the_content(root, tmp_path):
    import shutil

    folder = saved(root, "gpt2")
    shutil.copytree(folder, tmp_path / "copy")
    one = repscape.load_model(f"hf:{folder}")
    assert repscape.load_model(str(tmp_path / "copy")).revision == one.revision
    build("gpt2").half().save_pretrained(tmp_path / "copy")
    assert repscape.load_model(str(tmp_path / "copy")).revision != one.revision
    control = repscape.load_model(f"hf:{folder}", pretrained=False, seed=1)
    assert len({one.revision, control.revision}) == 2
    again = repscape.load_model(f"hf:{folder}", pretrained=False, seed=1)
    assert again.revision == control.revision
    other = repscape.load_model(f"hf:{folder}", pretrained=False, seed=2)
    assert other.revision != control.revision


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_the_dtype_is_the_one_asked_for_and_float32_by_default(root, tmp_path, dtype):
    build("gpt2").to(torch.bfloat16).save_pretrained(tmp_path)
    for file in saved(root, "gpt2").glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert repscape.load_model(str(tmp_path)).dtype == "float32"
    model = repscape.load_model(str(tmp_path), dtype=dtype)
    assert model.dtype == dtype
    rows = encode(model, SENTENCES, "block.1", "mean")["block.1", "mean"]
    assert rows.values.dtype == ("float64" if dtype == "float64" else "float32")


def test_a_model_spread_over_memory_and_disk_gives_the_same_numbers(root):
    folder = saved(root, "gpt2")
    names = ["wte", "wpe", "drop", "h.0", "h.1", "h.2", "ln_f"]
    places = {f"transformer.{name}": "cpu" for name in names} | {"lm_head": "cpu"}
    places |= {"transformer.h.1": "disk", "transformer.h.2": "disk"}
    whole = repscape.load_model(f"hf:{folder}", device="cpu")
    spread = repscape.load_model(f"hf:{folder}", device_map=places)
    assert any(weight.is_meta for weight in spread.module.parameters())
    expected = encode(whole, SENTENCES, "block.*")
    for key, rows in encode(spread, SENTENCES, "block.*").items():
        assert np.array_equal(rows.values, expected[key].values)
    assert spread.revision == whole.revision
    with pytest.raises(InvalidParameterError, match="give one of them"):
        repscape.load_model(f"hf:{folder}", device="cpu", device_map="auto")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ("audio", "takes input_features, neither text nor images"),
        ("masking", "hides patches at random"),
        ("time first", "tokens come before samples"),
    ],
)
def test_models_whose_numbers_would_be_wrong_are_refused(tmp_path, make, message):
    import transformers as tr

    small = {"d_model": 16, "vocab_size": 32}
    sides = {
        **{f"{side}_layers": 1 for side in ("encoder", "decoder")},
        **{f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
        "pad_token_id": 0,
    }
    patches = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = {
        "audio": lambda: tr.WhisperModel(tr.WhisperConfig(**small, **sides)),
        "masking": lambda: tr.ViTMAEModel(
            tr.ViTMAEConfig(**patches, image_size=32, patch_size=8, intermediate_size=16)
        ),
        "time first": lambda: tr.XLNetModel(
            tr.XLNetConfig(**small, n_layer=2, n_head=2, d_inner=16)
        ),
    }[make]()
    model.save_pretrained(tmp_path)
    tokenizer("gpt2").save_pretrained(tmp_path)
    image_processor("vit").save_pretrained(tmp_path)
    with pytest.raises(InvalidParameterError, match=message):
        repscape.load_model(str(tmp_path)).layers()


def test_a_tower_has_to_be_chosen(root):
    with pytest.raises(InvalidParameterError, match=r"'image' or 'text' \(--model-option"):
        repscape.load_model(f"hf:{saved(root, 'clip')}")
    with pytest.raises(InvalidParameterError, match="tower='txt': did you mean 'text'"):
        repscape.load_model(f"hf:{saved(root, 'clip')}", tower="txt")


def test_features_of_a_tower_are_those_of_the_library(root):
    for kind in ("clip", "siglip"):
        own, texts = build(kind), SENTENCES
        text = repscape.load_model(f"hf:{saved(root, kind)}", tower="text")
        inputs = text.collate([text.prepare(t) for t in texts])
        with torch.no_grad():
            expected = own.get_text_features(**inputs.arguments).pooler_output
        rows = encode(text, texts, "features")["features", "mean"]
        assert np.array_equal(rows.values, expected.numpy())
        image = repscape.load_model(f"hf:{saved(root, kind)}", tower="image")
        pictures = list(np.random.default_rng(0).random((2, 3, 32, 32), dtype=np.float32))
        inputs = image.collate([image.prepare(p) for p in pictures])
        with torch.no_grad():
            expected = own.get_image_features(**inputs.arguments).pooler_output
        rows = encode(image, pictures, "features")["features", "mean"]
        assert np.array_equal(rows.values, expected.numpy())
        assert text.revision == image.revision
        assert text.preprocessing != image.preprocessing


def test_imagegpt_begins_with_the_start_token_and_drops_the_last_pixel(root):
    model = repscape.load_model(f"hf:{saved(root, 'imagegpt')}")
    clusters = np.arange(16) % 8
    inputs = model.collate([model.prepare(clusters)])
    assert inputs.token_ids.tolist() == [[8, *clusters[:-1].tolist()]]
    own = build("imagegpt")
    with torch.no_grad():
        states = own(inputs.token_ids, output_hidden_states=True).hidden_states
        normed = [own.h[i].ln_1(states[i]).double().mean(1).numpy() for i in range(3)]
    layers = ["block.*.input_norm", "final_norm"]
    rows = encode(model, [clusters], layers)
    for i in range(3):
        np.testing.assert_allclose(rows[f"block.{i}.input_norm", "mean"].values, normed[i], 1e-6)
    final = states[3].double().mean(1).numpy()
    np.testing.assert_allclose(rows["final_norm", "mean"].values, final, 1e-6)
    image = np.random.default_rng(0).random((3, 9, 9), dtype=np.float32)
    assert model.prepare(image).content.shape == (16,)
    for bad in (np.arange(15), np.full(16, 8), "text"):
        with pytest.raises(SampleError, match=r"no image of 16 clusters|takes images"):
            model.prepare(bad)


class Doubling(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        return self.layer(x * 2)


def double():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Doubling()


def with_preprocessing(scale=1.0):
    return double(), lambda content: torch.tensor(content) * scale


def not_a_model():
    return 3


def test_a_module_of_ones_own(monkeypatch):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    module = double()
    expected = module.layer(torch.from_numpy(x) * 2).detach().numpy()
    model = repscape.load_model(module.train())
    assert isinstance(model, LoadedModel)
    assert not module.training
    assert np.array_equal(encode(model, list(x), "layer")["layer", "mean"].values, expected)
    monkeypatch.setitem(sys.modules, "my_models", sys.modules[__name__])
    same = repscape.load_model("python:my_models:double")
    assert same.revision == model.revision
    scaled = repscape.load_model(
        "python:my_models:with_preprocessing", arguments={"scale": 2.0}, preprocessing="times 2"
    )
    rows = encode(scaled, (x / 2).tolist(), "layer")["layer", "mean"].values
    np.testing.assert_allclose(rows, expected, rtol=1e-5)
    assert scaled.preprocessing == "times 2"
    with pytest.raises(InvalidParameterError, match="returned a int"):
        repscape.load_model("python:my_models:not_a_model")
    with pytest.raises(SampleError, match="takes arrays"):
        model.prepare("text")
    with pytest.raises(SampleError, match=r"shapes \(4,\) and \(3,\)"):
        model.collate([model.prepare(x[0]), model.prepare(x[0, :3])])


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"repscape\[vision\]"):
        repscape.load_model("timm:resnet18")


@pytest.mark.hub
def test_a_real_model_of_the_hub():
    model = repscape.load_model("hf:sshleifer/tiny-gpt2")
    assert len(model.revision) == 40
    assert model.layers() == ["embeddings", "block.0", "block.1", "final_norm"]
    rows = encode(model, ["Hello world", "Representations"], "block.1", "mean")
    assert rows["block.1", "mean"].values.shape == (2, 2)
