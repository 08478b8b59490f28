"""Which tokens a text becomes, which of them count, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
import transformers
from tiny_models import SENTENCES, build, saved, tokenizer

import repscape
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    SampleError,
    UnknownNameError,
)
from repscape.extract.encode import encode

PAIR = ("the cat sat", "on a mat")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def load(root, kind, **options):
    return repscape.load_model(f"hf:{saved(root, kind)}", **options)


def states(model, contents, layer="block.1"):
    """All positions of one layer, (n, T, d), and which of them count."""
    inputs = model.collate([model.prepare(content) for content in contents])
    rows = encode(model, contents, layer, "none")[layer, "none"]
    return inputs, rows


def words(model, inputs, mask):
    ids = inputs.token_ids[mask].tolist()
    return [model.tokenization.tokenizer.convert_ids_to_tokens(i) for i in ids]


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        ("include", ["<s>", "the", "cat", "sat", "</s>"]),
        ("exclude", ["the", "cat", "sat"]),
        ("omit", ["the", "cat", "sat"]),
    ],
)
def test_special_tokens_count_or_do_not_count_or_are_not_there(root, special, expected):
    model = load(root, "bert", special_tokens=special)
    inputs = model.collate([model.prepare("the cat sat")])
    assert words(model, inputs, inputs.mask) == expected
    assert inputs.token_ids.shape[1] == (3 if special == "omit" else 5)
    assert f"special_tokens={special}" in model.preprocessing


def test_each_pooling_is_a_loop_over_the_tokens_that_count(root):
    model = load(root, "bert", special_tokens="exclude")
    whole = load(root, "bert")
    everything = encode(whole, SENTENCES, "block.1", "none")["block.1", "none"]
    texts = np.split(everything.values, everything.counts.cumsum()[:-1])
    inner = [text[1:-1] for text in texts]  # without <s> and </s>
    poolings = ["mean", "max", "weighted_mean", "first_token", "last_token", "cls", "none"]
    given = {k[1]: r for k, r in encode(model, SENTENCES, "block.1", poolings).items()}
    for i, (tokens, text) in enumerate(zip(inner, texts, strict=True)):
        steps = np.arange(1, len(tokens) + 1)
        expected = {
            "mean": tokens.astype(np.float64).mean(0),
            "max": tokens.max(0),
            "weighted_mean": (steps @ tokens.astype(np.float64)) / steps.sum(),
            "first_token": tokens[0],
            "last_token": tokens[-1],
            "cls": text[0],
        }
        for pooling, row in expected.items():
            np.testing.assert_allclose(given[pooling].values[i], row, rtol=1e-6, atol=1e-7)
    assert given["none"].counts.tolist() == [len(t) for t in inner]
    assert np.array_equal(given["none"].values, np.concatenate(inner))
    ids = [whole.tokenize(text, special_tokens=False) for text in SENTENCES]
    assert given["none"].columns["token_id"].tolist() == [i for text in ids for i in text]


def test_flatten_refuses_padding(root):
    model = load(root, "gpt2")
    assert encode(model, SENTENCES[:1] * 2, "block.0", "flatten")
    with pytest.raises(InvalidRepresentationError, match="'flatten' would keep"):
        encode(model, SENTENCES, "block.0", "flatten")


@pytest.mark.parametrize(
    ("kind", "part", "expected"),
    [
        ("gpt2", "all", ["the", "cat", "sat", "on", "a", "mat"]),
        ("gpt2", "prompt", ["the", "cat", "sat"]),
        ("gpt2", "answer", ["on", "a", "mat"]),
        ("bert", "prompt", ["<s>", "the", "cat", "sat", "</s>"]),
        ("bert", "answer", ["on", "a", "mat", "</s>"]),
    ],
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_prompt_or_the_answer_counts(root, kind, part, expected, side):
    model = load(root, kind, part=part, padding_side=side)
    for content in (PAIR, {"prompt": PAIR[0], "answer": PAIR[1]}):
        longer = ("the big dog ran", "far away from the cat")
        inputs = model.collate([model.prepare(content), model.prepare(longer)])
        mine = torch.zeros_like(inputs.mask)
        mine[0] = inputs.mask[0]
        assert words(model, inputs, mine) == expected


def test_an_answer_changes_nothing_of_the_prompt_before_it(root):
    alone = encode(load(root, "gpt2"), [PAIR[0]], "block.2", "mean")["block.2", "mean"].values
    model = load(root, "gpt2", part="prompt")
    prompt = encode(model, [PAIR], "block.2", "mean")["block.2", "mean"].values
    np.testing.assert_allclose(prompt, alone, rtol=1e-5, atol=1e-6)


def test_an_encoder_reads_the_prompt_and_the_decoder_writes_the_answer(root):
    model = load(root, "t5")
    layers = ["encoder.block.1", "decoder.block.1"]
    rows = encode(model, [PAIR, ("it ran", "far away from")], layers, "none")
    assert rows["encoder.block.1", "none"].counts.tolist() == [3, 2]
    assert rows["decoder.block.1", "none"].counts.tolist() == [4, 4]  # with the start token
    assert rows["decoder.block.1", "none"].columns["token_id"][0] == 0
    own = build("t5")
    with torch.no_grad():
        state = own(
            input_ids=torch.tensor([model.tokenize(PAIR[0])]),
            decoder_input_ids=torch.tensor([[0, *model.tokenize(PAIR[1])]]),
            output_hidden_states=True,
        ).decoder_hidden_states[2]
    ours = rows["decoder.block.1", "none"].values[:4]
    np.testing.assert_allclose(ours, state[0].numpy(), rtol=1e-5, atol=1e-6)
    text = encode(model, ["the cat"], layers, "none")
    assert text["decoder.block.1", "none"].counts.tolist() == [1]
    answer = load(root, "t5", part="answer")
    assert encode(answer, [PAIR], "decoder.block.1")
    with pytest.raises(InvalidRepresentationError, match="no token that counts"):
        encode(answer, [PAIR], "encoder.block.1")


def test_a_longer_text_is_cut_and_counted_or_refused(root):
    long = "the cat " * 30
    for kind, kept in (("gpt2", 40), ("bert", 40)):
        one = load(root, kind).prepare(long)
        assert (one.length, one.truncated) == (kept, True)
        assert not load(root, kind).prepare("the cat").truncated
    left = load(root, "bert", truncation_side="left", max_length=5)
    inputs = left.collate([left.prepare("the cat sat on a mat")])
    assert words(left, inputs, inputs.mask) == ["<s>", "on", "a", "mat", "</s>"]
    right = load(root, "bert", max_length=5)
    inputs = right.collate([right.prepare("the cat sat on a mat")])
    assert words(right, inputs, inputs.mask) == ["<s>", "the", "cat", "sat", "</s>"]
    assert left.preprocessing != right.preprocessing
    with pytest.raises(SampleError, match="has 60 tokens, and the model takes 40"):
        load(root, "gpt2", overlong="refuse").prepare(long)
    with pytest.raises(InvalidParameterError, match="max_length=41: the model takes at most 40"):
        load(root, "gpt2", max_length=41)
    with pytest.raises(SampleError, match="max_length=2 leaves no room"):
        load(root, "bert", max_length=2).prepare("the cat sat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty text"),
        ("  \n", "white space only"),
        (("the cat", ""), "empty text"),
        (7, "no text but a int"),
        (np.zeros((3, 8, 8)), "no text but a ndarray"),
        (("a", 3), "holds a int"),
        (["a", "b", "c"], "no text but a list"),
    ],
)
def test_what_is_no_text_is_a_bad_sample(root, content, message):
    with pytest.raises(SampleError, match=message):
        load(root, "gpt2").prepare(content)


def test_an_answer_is_needed_where_it_should_count(root):
    with pytest.raises(SampleError, match=r"it has no answer.*part='answer'"):
        load(root, "gpt2", part="answer").prepare("the cat")


def test_residues_alone_count_and_unknown_ones_are_refused(root):
    model = load(root, "esm")
    assert model.modality == "protein"
    inputs = model.collate([model.prepare("MKTA"), model.prepare("GA")])
    assert words(model, inputs, inputs.mask) == list("MKTAGA")
    assert inputs.token_ids.shape == (2, 6)
    with pytest.raises(SampleError, match="residues that the model does not know: '1', 'J'"):
        model.prepare("MJ1")


def test_experiments_may_feed_vectors_for_tokens(root):
    model, texts = load(root, "gpt2"), SENTENCES[0]
    ids = torch.tensor([model.tokenize(texts)])
    own = build("gpt2")
    with torch.no_grad():
        expected = own(input_ids=ids).logits
    assert torch.equal(model.embed(ids), own.transformer.wte(ids))
    assert torch.equal(model.logits(input_ids=ids), expected)
    assert torch.equal(model.logits(inputs_embeds=model.embed(ids)), expected)
    assert not model.logits(input_ids=ids).requires_grad
    t5, whole = load(root, "t5"), build("t5")
    with torch.no_grad():
        encoded = whole.encoder(input_ids=ids).last_hidden_state
        expected = whole(input_ids=ids, labels=ids).logits
    assert torch.equal(t5.logits(encoder_outputs=encoded, labels=ids), expected)
    assert torch.equal(t5.logits(encoder_outputs=(encoded,), labels=ids), expected)
    with pytest.raises(InvalidParameterError, match="no head that gives logits"):
        load(root, "bert").logits(input_ids=ids)


def test_the_key_of_a_segment_follows_model_tokenizer_and_text(root):
    model = load(root, "gpt2")
    keys = {
        model.segment_key("a"),
        model.segment_key("b"),
        load(root, "llama").segment_key("a"),
        load(root, "gpt2", dtype="bfloat16").segment_key("a"),
        load(root, "gpt2", max_length=7).segment_key("a"),
    }
    assert len(keys) == 5
    assert load(root, "gpt2").segment_key("a") in keys


def test_threads_may_share_the_tokenizer(root):
    from concurrent.futures import ThreadPoolExecutor

    model = load(root, "bert")
    texts = [
        " ".join(tokenizer("bert").convert_ids_to_tokens(range(4, 4 + i))) for i in range(1, 20)
    ]
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda text: model.prepare(text).content[0].ids, texts * 20))
    assert ids == [model.prepare(text).content[0].ids for text in texts] * 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding_side": "rigth"}, "did you mean 'right'"),
        ({"special_tokens": "yes"}, "allowed: include, exclude, omit"),
        ({"part": "question"}, "part='question'"),
        ({"dtype": "float23"}, "did you mean 'float32'"),
        ({"device": "gpu0"}, "device='gpu0'"),
        ({"poolng": "mean"}, "no option 'poolng'"),
        ({"tower": "text"}, "no model of two towers"),
        ({"max_length": 0}, "at least 1"),
    ],
)
def test_options_are_checked(root, options, message):
    with pytest.raises(InvalidParameterError, match=message):
        load(root, "gpt2", **options)


def test_layers_are_found_by_name_part_and_glob(root):
    model = load(root, "gpt2")
    pick = lambda layers: sorted({key[0] for key in encode(model, ["a mat"], layers)})  # noqa: E731
    blocks = ["block.0", "block.1", "block.2"]
    assert pick("block.*") == blocks
    assert pick(["h.1", "block.1"]) == ["block.1"]
    assert pick("block.*.attention") == [f"{block}.attention" for block in blocks]
    assert pick("h.*.ln_2") == ["h.0.ln_2", "h.1.ln_2", "h.2.ln_2"]
    assert pick("h.1.mlp.act:input") == ["h.1.mlp.act:input"]
    assert model.layers() == ["embeddings", *blocks, "final_norm"]
    with pytest.raises(UnknownNameError, match=r"'block.3' .* its layers are: block\."):
        encode(model, ["a mat"], "block.3")
    with pytest.raises(UnknownNameError, match=r"'finalnorm'.*: final_norm"):
        encode(model, ["a mat"], "finalnorm")


@pytest.fixture(scope="module")
def spaced_proteins(tmp_path_factory):
    """A BERT of proteins, whose tokenizer wants a space between residues, as ProtBERT's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("protbert")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {w: k for k, w in enumerate([*special, *"LAGVESIKRDTPNQFYMHCWXUBZO"])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.Strip()
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=12, **dict(zip(names, special, strict=True))
    ).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=12,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_models_of_spaced_residues_read_fasta(spaced_proteins, tmp_path):
    path = tmp_path / "some.fasta"
    path.write_text(">one\nMKTAY\nIAK\n>two\nMKV\n")
    model = repscape.load_model(str(spaced_proteins))
    assert model.modality == "protein"
    assert "residues=spaced" in model.preprocessing
    found = repscape.extract(model, repscape.load_data(f"fasta:{path}"), "block.1")["block.1"]
    tokens = transformers.AutoTokenizer.from_pretrained(spaced_proteins)
    for row, residues in enumerate(["M K T A Y I A K", "M K V"]):
        with torch.no_grad():
            states = model.module(
                **tokens(residues, return_tensors="pt"), output_hidden_states=True
            )
        expected = states.hidden_states[2][0, 1:-1].double().mean(0)
        np.testing.assert_allclose(found.values[row], expected, atol=1e-5)
    with pytest.raises(SampleError, match="does not know: 'J'"):
        model.prepare("MKJ")
    assert repscape.load_model(str(spaced_proteins), modality="text").modality == "text"


def test_long_texts_are_cut_without_a_warning_of_the_library(spaced_proteins, caplog):
    model = repscape.load_model(str(spaced_proteins))
    logging.getLogger("transformers").propagate = True
    try:
        assert model.prepare("MKTAYIAKMKTAYIAK").truncated
    finally:
        logging.getLogger("transformers").propagate = False
    assert "longer than" not in caplog.text
