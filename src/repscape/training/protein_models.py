"""A small ESM-2 on synthetic protein families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from repscape.data.digests import value_revision
from repscape.data.protein_families import protein_families
from repscape.extras import import_extra
from repscape.training.pretraining import PretrainingRecipe

ALPHABET = [
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO.-",
    *("<null_1>", "<mask>"),
]
"""The tokens of ESM-2, in their order."""

_CHOSEN, _MASKED, _REPLACED = 0.15, 0.8, 0.1
_PURPOSE = "training a small ESM-2"


class ESMLesson:
    """Masked-residue prediction; a `Lesson`.

    Of 15 % of the residues, 80 % are masked, 10 % replaced at random and 10 % left as they are.
    """

    def __init__(self, recipe: PretrainingRecipe) -> None:
        transformers = import_extra("transformers", "hub", _PURPOSE)
        proteins = protein_families()
        self.recipe = recipe
        rows = [[0, *(ALPHABET.index(residue) for residue in p.sequence), 2] for p in proteins]
        longest = max(map(len, rows))
        self._tokens = torch.tensor([[*row, *[1] * (longest - len(row))] for row in rows])
        self.network: nn.Module = transformers.EsmForMaskedLM(
            transformers.EsmConfig(
                vocab_size=len(ALPHABET),
                hidden_size=recipe.width,
                num_hidden_layers=recipe.layers,
                num_attention_heads=recipe.heads,
                intermediate_size=4 * recipe.width,
                max_position_embeddings=1026,
                position_embedding_type="rotary",
                emb_layer_norm_before=False,
                token_dropout=True,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                pad_token_id=ALPHABET.index("<pad>"),
                mask_token_id=ALPHABET.index("<mask>"),
            )
        )

    def loss(self, generator: torch.Generator) -> Tensor:
        """The mean cross-entropy of the chosen residues, in nats."""
        shape = (self.recipe.batch_size,)
        tokens = self._tokens[torch.randint(len(self._tokens), shape, generator=generator)]
        residues = (tokens > ALPHABET.index("<unk>")).float()
        chosen = torch.rand(tokens.shape, generator=generator) < _CHOSEN * residues
        # A batch without any chosen residue has no loss: the first residue stands in.
        chosen[:, 1] |= ~chosen.any()
        fate = torch.rand(tokens.shape, generator=generator)
        others = torch.randint(4, 24, tokens.shape, generator=generator)
        inputs = torch.where(chosen & (fate < _MASKED), ALPHABET.index("<mask>"), tokens)
        replaced = chosen & (fate >= _MASKED) & (fate < _MASKED + _REPLACED)
        inputs = torch.where(replaced, others, inputs)
        attended = (tokens != ALPHABET.index("<pad>")).long()
        logits = self.network(input_ids=inputs, attention_mask=attended).logits
        return functional.cross_entropy(logits[chosen], tokens[chosen])

    def save(self, folder: Path) -> None:
        """Write the network and the tokenizer."""
        transformers = import_extra("transformers", "hub", _PURPOSE)
        network: Any = self.network
        network.save_pretrained(folder)
        words = folder / "vocab.txt"
        words.write_text("\n".join(ALPHABET), encoding="utf-8")
        transformers.EsmTokenizer(str(words)).save_pretrained(folder)


def lesson(recipe: PretrainingRecipe) -> ESMLesson:
    """What `FAMILIES` names."""
    return ESMLesson(recipe)


def data_revision() -> str:
    """A digest of the sequences."""
    return value_revision([f"{p.id} {p.sequence}" for p in protein_families()])
