"""What is extracted is what transformers itself returns, bit for bit, for many architectures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import IMAGE, SENTENCES, TEXT, TOWERS, saved

import repscape
from repscape.errors import InvalidParameterError
from repscape.extract.calls import CallRecorder
from repscape.extract.encode import encode

PROTEINS = ["MKTAYIAK", "GA", "LLVSERTIDPKQNFYMHWCGAAAL"]
PAIRS = [(kind, None) for kind in (*TEXT, *IMAGE)] + [
    (kind, tower) for kind in TOWERS for tower in ("image", "text")
]
# Where the library's last hidden state is that of the last block, though a norm follows.
LAST_IS_RAW = {"clip", "siglip", "vit", "dinov2", "dinov2_registers", "dinov3", "convnext", "swin"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def images(n):
    rng = np.random.default_rng(0)
    return list(rng.random((n, 3, 32, 32), dtype=np.float32))


def samples(model):
    if model.modality == "image":
        return images(3)
    return PROTEINS if model.modality == "protein" else SENTENCES


def run(model, inputs, layers):
    """The whole outputs of some layers, as the extraction sees them."""
    given = {}
    selection = model.resolve(layers)
    with CallRecorder(model.module, selection) as recorder, torch.no_grad():
        trace = recorder.learn(inputs.arguments, lambda call, t, _: given.update({call: t.clone()}))
    names = selection.names(trace.calls)
    return {names[call]: tensor for call, tensor in given.items()}


def hidden_states(model, inputs):
    """What transformers returns, by the prefix of our canonical names."""
    arguments = {**inputs.arguments, "output_hidden_states": True}
    module = getattr(model.module, "model", None)
    with torch.no_grad():
        if type(model.module).__name__ == "Tower":
            side = module.vision_model if model.modality == "image" else module.text_model
            return {"": side(**arguments).hidden_states}
        given = model.module(**arguments)
    if "encoder_hidden_states" in given:
        return {"encoder.": given.encoder_hidden_states, "decoder.": given.decoder_hidden_states}
    return {"": given.hidden_states}


def canonical(model, prefix, count, kind):
    """The names of what transformers returns as hidden states."""
    blocks = [f"{prefix}block.{i}" for i in range(count - 1)]
    has_norm = f"{prefix}final_norm" in model.layers()
    if kind == "mamba":  # its hidden states do not begin with the embeddings
        return [*blocks, f"{prefix}final_norm"]
    last = f"{prefix}final_norm" if has_norm and kind not in LAST_IS_RAW else blocks[-1]
    return [f"{prefix}embeddings", *blocks[:-1], last]


@pytest.mark.parametrize(("kind", "tower"), PAIRS)
def test_every_block_is_the_hidden_state_of_transformers_bit_for_bit(root, kind, tower):
    model = repscape.load_model(f"hf:{saved(root, kind)}", tower=tower)
    inputs = model.collate([model.prepare(content) for content in samples(model)])
    for prefix, expected in hidden_states(model, inputs).items():
        names = canonical(model, prefix, len(expected), kind)
        ours = run(model, inputs, names)
        for name, state in zip(names, expected, strict=True):
            assert torch.equal(ours[name], state), name
        blocks = [n for n in model.layers() if n.startswith(f"{prefix}block.")]
        depth = len({n.removeprefix(prefix).split(".")[1] for n in blocks})
        assert depth == len(expected) - 1
        if names[-1].endswith("final_norm"):
            last = run(model, inputs, f"{prefix}block.{depth - 1}")
            assert not torch.equal(next(iter(last.values())), expected[-1])


POOLINGS = ["mean", "last_token", "first_token", "cls", "max", "weighted_mean"]
# A batch of one, a batch of all, padding right or left: these may differ in the last bits only.
TOLERANCE = 1e-5
COUNT_FROM_THE_LEFT = {"bart", "clip", "siglip"}


def pooled(model, contents, layers, poolings=POOLINGS):
    return {key: rows.values for key, rows in encode(model, contents, layers, poolings).items()}


@pytest.mark.parametrize(
    ("kind", "tower"), [*((k, None) for k in TEXT), ("clip", "text"), ("siglip", "text")]
)
def test_neither_the_batch_nor_the_side_of_padding_changes_a_number(root, kind, tower):
    name = f"hf:{saved(root, kind)}"
    model = repscape.load_model(name, tower=tower)
    contents = samples(model) * 13
    ends = ("embeddings", "block.0", "block.1.attention", "block.2", "final_norm")
    layers = [name for name in model.aliases if name.endswith(ends)]
    together = pooled(model, contents, layers)
    assert len({key[0] for key in together}) >= 4
    alone = [pooled(model, [content], layers) for content in contents[:5]]
    for key, values in together.items():
        assert values.shape[0] == len(contents)
        for one, row in zip(alone, values, strict=False):
            np.testing.assert_allclose(row, one[key][0], rtol=TOLERANCE, atol=TOLERANCE)
    if kind in COUNT_FROM_THE_LEFT:
        with pytest.raises(InvalidParameterError, match="pad on the right"):
            repscape.load_model(name, tower=tower, padding_side="left")
        return
    left = repscape.load_model(name, tower=tower, padding_side="left")
    for key, values in pooled(left, contents, layers).items():
        np.testing.assert_allclose(values, together[key], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("kind", "tower"), [*((k, None) for k in IMAGE), ("clip", "image"), ("siglip", "image")]
)
def test_an_image_by_itself_gives_what_it_gives_among_64(root, kind, tower):
    model = repscape.load_model(f"hf:{saved(root, kind)}", tower=tower)
    contents, poolings = images(64), ["mean", "max", "flatten"]
    together = pooled(model, contents, model.layers(), poolings)
    for place in (0, 17, 63):
        alone = pooled(model, [contents[place]], model.layers(), poolings)
        for key, values in alone.items():
            among = together[key][place]
            np.testing.assert_allclose(values[0], among, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["gpt2", "t5", "vit", "resnet", "albert"])
def test_a_pass_that_stops_early_gives_what_a_whole_one_gives(root, kind):
    model = repscape.load_model(f"hf:{saved(root, kind)}")
    inputs = model.collate([model.prepare(content) for content in samples(model)])
    layers = [n for n in model.layers() if n.endswith(("block.0", "block.1", "embeddings"))]
    whole, early = {}, {}
    with CallRecorder(model.module, model.resolve(layers)) as recorder, torch.no_grad():
        trace = recorder.learn(inputs.arguments, lambda c, t, _: whole.update({c: t.clone()}))
        calls = {call: trace.output(call).layout for call in whole}
        stopped = []
        hook = model.module.register_forward_hook(lambda *_: stopped.append(False))
        recorder.follow(
            inputs.arguments, lambda c, t, _: early.update({c: t.clone()}), calls, calls
        )
        hook.remove()
    assert stopped == []
    assert whole.keys() == early.keys()
    assert all(torch.equal(whole[call], early[call]) for call in whole)
