"""Models of many architectures, built small from their configurations and saved to folders."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as tr
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = (
    *("the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "far", "away"),
    *("from", "big", "dog", "which", "was", "not", "very", "fast"),
)
SENTENCES = [
    "the cat sat on a mat",
    "it ran",
    "the big dog was not very fast and then it ran far away from the cat",
    "a mat",
    "then the dog sat",
]
_TEXT = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 32}
_GATED = {**_TEXT, "intermediate_size": 24, "num_key_value_heads": 1, "head_dim": 8}
_ENCODER = {**_TEXT, "intermediate_size": 24, "max_position_embeddings": 40}
_PATCHES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
_TOWERS = {"text_config": {**_ENCODER, "eos_token_id": 3}, "vision_config": _PATCHES}
_SPECIAL = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
_MAPS = {"hidden_sizes": [8, 16], "depths": [2, 1]}

TEXT: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: tr.GPT2LMHeadModel(
        tr.GPT2Config(n_embd=16, n_layer=3, n_head=2, n_positions=40, vocab_size=32, **_SPECIAL)
    ),
    "llama": lambda: tr.LlamaForCausalLM(tr.LlamaConfig(**_GATED, **_SPECIAL)),
    "qwen3": lambda: tr.Qwen3ForCausalLM(tr.Qwen3Config(**_GATED, **_SPECIAL)),
    "gemma2": lambda: tr.Gemma2ForCausalLM(tr.Gemma2Config(**_GATED, **_SPECIAL)),
    "opt": lambda: tr.OPTForCausalLM(
        tr.OPTConfig(**_TEXT, ffn_dim=24, max_position_embeddings=40, word_embed_proj_dim=16)
    ),
    "neox": lambda: tr.GPTNeoXForCausalLM(
        tr.GPTNeoXConfig(**_TEXT, intermediate_size=24, max_position_embeddings=40)
    ),
    "bloom": lambda: tr.BloomForCausalLM(
        tr.BloomConfig(hidden_size=16, n_layer=3, n_head=2, vocab_size=32)
    ),
    "mamba": lambda: tr.MambaForCausalLM(
        tr.MambaConfig(hidden_size=16, num_hidden_layers=3, vocab_size=32, state_size=4)
    ),
    "bert": lambda: tr.BertModel(tr.BertConfig(**_ENCODER)),
    "roberta": lambda: tr.RobertaModel(tr.RobertaConfig(**_ENCODER, pad_token_id=0)),
    "albert": lambda: tr.AlbertModel(tr.AlbertConfig(**_ENCODER, embedding_size=8)),
    "esm": lambda: tr.EsmModel(
        tr.EsmConfig(
            **{**_ENCODER, "vocab_size": 33},
            position_embedding_type="rotary",
            token_dropout=True,
            pad_token_id=1,
            mask_token_id=32,
            emb_layer_norm_before=False,
        )
    ),
    "t5": lambda: tr.T5ForConditionalGeneration(
        tr.T5Config(
            d_model=16,
            d_kv=8,
            d_ff=24,
            num_layers=3,
            num_heads=2,
            vocab_size=32,
            decoder_start_token_id=0,
        )
    ),
    "bart": lambda: tr.BartForConditionalGeneration(
        tr.BartConfig(
            d_model=16,
            encoder_layers=2,
            decoder_layers=3,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            vocab_size=32,
            max_position_embeddings=40,
            pad_token_id=0,
            decoder_start_token_id=2,
        )
    ),
}
IMAGE: dict[str, Callable[[], Any]] = {
    "vit": lambda: tr.ViTModel(tr.ViTConfig(**_PATCHES)),
    "dinov2": lambda: tr.Dinov2Model(tr.Dinov2Config(**_PATCHES)),
    "dinov2_registers": lambda: tr.Dinov2WithRegistersModel(
        tr.Dinov2WithRegistersConfig(**_PATCHES, num_register_tokens=2)
    ),
    "dinov3": lambda: tr.DINOv3ViTModel(tr.DINOv3ViTConfig(**_PATCHES, num_register_tokens=2)),
    "convnext": lambda: tr.ConvNextModel(tr.ConvNextConfig(num_stages=2, **_MAPS)),
    "resnet": lambda: tr.ResNetModel(tr.ResNetConfig(embedding_size=8, **_MAPS)),
    "swin": lambda: tr.SwinModel(
        tr.SwinConfig(image_size=32, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=2)
    ),
    "imagegpt": lambda: tr.ImageGPTModel(
        tr.ImageGPTConfig(n_embd=16, n_layer=3, n_head=2, n_positions=16, vocab_size=9)
    ),
}
TOWERS: dict[str, Callable[[], Any]] = {
    "clip": lambda: tr.CLIPModel(tr.CLIPConfig(**_TOWERS, projection_dim=8)),
    "siglip": lambda: tr.SiglipModel(tr.SiglipConfig(**_TOWERS)),
}
OPEN_CLIP = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
"""An architecture for OpenCLIP, which has no folder of its own form."""
ALL = {**TEXT, **IMAGE, **TOWERS}


def build(kind: str) -> Any:
    """A model with weights from a fixed seed; norms too, since ones would hide a wrong one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ALL[kind]().eval()
        for parameter in model.parameters():
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter, mean=0.3, std=0.5)
    return model


@functools.cache
def saved(root: Path, kind: str) -> Path:
    """The folder of one model with its tokenizer or image processor."""
    folder = root / kind
    build(kind).save_pretrained(folder)
    if kind in TEXT or kind in TOWERS:
        tokenizer(kind).save_pretrained(folder)
    if kind in IMAGE or kind in TOWERS:
        image_processor(kind).save_pretrained(folder)
    return folder


def tokenizer(kind: str) -> Any:
    """A tokenizer of whole words; encoders add special tokens, as theirs do."""
    if kind == "esm":
        letters = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-"]
        return _words([*letters, "<null_1>", "<mask>"], "", "<pad>", "<unk>", ("<cls>", "<eos>"))
    vocabulary = ["<pad>", "<unk>", "<s>", "</s>", *WORDS]
    adds = kind in ("bert", "roberta", "albert", "bart", *TOWERS)
    return _words(vocabulary, " ", "<pad>", "<unk>", ("<s>", "</s>") if adds else ())


def _words(vocabulary: list[str], gap: str, pad: str, unknown: str, around: tuple[str, ...]) -> Any:
    ids = {word: number for number, word in enumerate(vocabulary)}
    made = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    made.pre_tokenizer = (
        pre_tokenizers.Whitespace() if gap else pre_tokenizers.Split("", behavior="isolated")
    )
    if around:
        start, end = around
        made.post_processor = processors.TemplateProcessing(
            single=f"{start} $A {end}",
            pair=f"{start} $A {end} $B {end}",
            special_tokens=[(start, ids[start]), (end, ids[end])],
        )
    return tr.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=pad, unk_token=unknown, model_max_length=40
    )


def image_processor(kind: str) -> Any:
    """A processor that keeps 32 × 32 pixels, or 16 clusters for ImageGPT."""
    if kind == "imagegpt":
        clusters = torch.linspace(-1, 1, 8)[:, None].expand(8, 3).tolist()
        return tr.ImageGPTImageProcessor(clusters=clusters, size={"height": 4, "width": 4})
    return tr.ViTImageProcessor(size={"height": 32, "width": 32})
