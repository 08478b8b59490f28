"""A small GPT-2 on the documentation that ships inside Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repscape.data.python_docs import text_revision, training_text
from repscape.errors import InvalidParameterError
from repscape.extras import import_extra
from repscape.training.pretraining import PretrainingRecipe

END = "<|endoftext|>"
_BYTES = 256
_PURPOSE = "training a small transformer"


class GPT2Lesson:
    """Next-token prediction on windows of the training text; a `Lesson`.

    The tokenizer is byte-level byte-pair encoding, learned from the same text.
    """

    def __init__(self, recipe: PretrainingRecipe) -> None:
        if recipe.vocabulary <= _BYTES:
            raise InvalidParameterError(
                f"vocabulary={recipe.vocabulary}: byte-level tokens need more than {_BYTES}"
            )
        transformers = import_extra("transformers", "hub", _PURPOSE)
        text = training_text()
        self.recipe = recipe
        self._tokenizer = _tokenizer(text, recipe.vocabulary)
        ids = self._tokenizer(text, verbose=False)["input_ids"]
        self._tokens = torch.tensor(ids, dtype=torch.int64)
        end = self._tokenizer.eos_token_id
        self.network: nn.Module = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=recipe.vocabulary,
                n_positions=recipe.context,
                n_embd=recipe.width,
                n_layer=recipe.layers,
                n_head=recipe.heads,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=end,
                eos_token_id=end,
            )
        )

    def loss(self, generator: torch.Generator) -> Tensor:
        """The mean cross-entropy of the next token, in nats."""
        span = self._positions()
        last = len(self._tokens) - span
        starts = torch.randint(0, last, (self.recipe.batch_size, 1), generator=generator)
        windows = self._tokens[starts + torch.arange(span + 1)]
        logits = self.network(input_ids=windows[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())

    def save(self, folder: Path) -> None:
        """Write the network and the tokenizer."""
        network: Any = self.network
        network.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    def _positions(self) -> int:
        return min(self.recipe.context, len(self._tokens) - 2)


def lesson(recipe: PretrainingRecipe) -> GPT2Lesson:
    """What `FAMILIES` names."""
    return GPT2Lesson(recipe)


def data_revision() -> str:
    """A digest of the training text."""
    return text_revision(training_text())


def _tokenizer(text: str, vocabulary: int) -> Any:
    tokenizers = import_extra("tokenizers", "hub", _PURPOSE)
    transformers = import_extra("transformers", "hub", _PURPOSE)
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    core = tokenizers.Tokenizer(tokenizers.models.BPE())
    core.pre_tokenizer = byte_level
    core.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    core.train_from_iterator(text.splitlines(), trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=END, eos_token=END, unk_token=END
    )
