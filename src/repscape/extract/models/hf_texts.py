"""Language models of transformers: texts and proteins in, hidden states and logits out."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from repscape.errors import InvalidParameterError, SampleError, UnavailableModelError
from repscape.extract.calls import first_tensor
from repscape.extract.marks import Marks
from repscape.extract.models.base import LoadedModel, ModelInputs, Prepared
from repscape.extract.models.hf_towers import Tower
from repscape.extract.models.structure import find_stacks, name_layers, watch
from repscape.extract.models.text_inputs import TextOptions, Tokenization, Tokens, padded
from repscape.extract.models.weights import digest_of_text
from repscape.extract.state import to_device

_NO_LIMIT = 10**9
_PROTEINS = ("esm",)
_AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
_TOO_LONG = "sequence-length-is-longer-than-the-specified-maximum"
_LOOK_AT_PADDING = ("siglip", "siglip2")


@dataclass(frozen=True, kw_only=True, eq=False)
class TextModel(LoadedModel):
    """A language model, or the text tower of another model.

    Attributes
    ----------
    whole : transformers.PreTrainedModel
        The model with its head; `module` is the part of it whose layers are extracted.
    tokenization : Tokenization
    """

    whole: Any
    tokenization: Tokenization

    @property
    def options(self) -> TextOptions:
        """What the user decided about texts."""
        return self.tokenization.options

    @cached_property
    def takes(self) -> frozenset[str]:
        """The names of the arguments of the forward pass."""
        tower = isinstance(self.module, Tower)
        forward = self.whole.get_text_features if tower else self.module.forward
        return frozenset(inspect.signature(forward).parameters)

    @property
    def is_encoder_decoder(self) -> bool:
        """Whether one network reads the text and another writes."""
        return bool(self.whole.config.is_encoder_decoder) and not isinstance(self.module, Tower)

    # ---- samples in ----

    def prepare(self, content: Any) -> Prepared:
        """Tokenize one text, or a prompt with its answer; see `LoadedModel.prepare`."""
        text, answer = self.tokenization.split(content)
        if self.is_encoder_decoder:
            tokens, decoder = self.tokenization(text), self._decoder_tokens(answer)
            marked = decoder if self.options.part == "answer" else tokens
        else:
            tokens, decoder = self.tokenization(text, answer), None
            marked = tokens
        if not any(marked.counted(self.options)):
            raise SampleError("it has no token that counts (special tokens are excluded)")
        truncated = tokens.truncated or (decoder is not None and decoder.truncated)
        return Prepared((tokens, decoder), len(tokens), truncated)

    def _decoder_tokens(self, answer: str | None) -> Tokens:
        start = self.whole.config.decoder_start_token_id
        start = self.tokenization.tokenizer.bos_token_id if start is None else start
        plain = Tokens([], [], []) if answer is None else self.tokenization.plain(answer)
        ids, special = [start, *plain.ids], [answer is not None, *plain.special]
        tokens = Tokens(ids, special, [1] * len(ids))
        context = self.tokenization.context
        if context is None or len(tokens) <= context:
            return tokens
        if self.options.overlong == "refuse":
            raise SampleError(f"its answer has {len(tokens)} tokens, and the model takes {context}")
        return tokens.cut(context, self.options.truncation_side)

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Pad to one length; see `LoadedModel.collate`."""
        tokens = [one.content[0] for one in prepared]
        arguments, marks = self._padded(tokens)
        named = {"input_ids": arguments[0], "attention_mask": arguments[1]}
        if tokens[0].types is not None:
            side, length = self.options.padding_side, arguments[0].shape[1]
            named["token_type_ids"] = padded([t.types for t in tokens], 0, length, side)
        if self._needs_positions:
            named["position_ids"] = _positions(arguments[1])
        if not self.is_encoder_decoder:
            return ModelInputs(self._given(named), marks)
        decoder, decoder_marks = self._padded([one.content[1] for one in prepared])
        named |= {"decoder_input_ids": decoder[0], "decoder_attention_mask": decoder[1]}
        return ModelInputs(self._given(named), marks, decoder_marks)

    def _padded(self, tokens: Sequence[Tokens]) -> tuple[tuple[torch.Tensor, torch.Tensor], Marks]:
        options = self.options
        side, length = options.padding_side, max(map(len, tokens))
        if options.padding == "max_length" and self.tokenization.context is not None:
            length = self.tokenization.context
        pad = self.tokenization.tokenizer.pad_token_id
        ids = padded([t.ids for t in tokens], 0 if pad is None else pad, length, side)
        attended = padded([[True] * len(t) for t in tokens], False, length, side)
        counted = padded([t.counted(options) for t in tokens], False, length, side)
        return (ids, attended.long()), Marks(counted, attended, ids)

    def _given(self, named: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        """The arguments that this forward has; a mask only if padding is not to be seen."""
        given: dict[str, Any] = {k: v for k, v in named.items() if k in self.takes}
        if self.options.padding == "max_length" and self._looks_at_padding:
            given.pop("attention_mask", None)
        if "use_cache" in self.takes:
            given["use_cache"] = False
        return given

    @property
    def _looks_at_padding(self) -> bool:
        return self.whole.config.model_type in _LOOK_AT_PADDING

    @cached_property
    def _needs_positions(self) -> bool:
        """Whether padding on the left would shift positions that nobody says.

        Position tables with a row for padding (RoBERTa) are read at positions that the model
        derives from the ids, and with another offset.
        """
        if self.options.padding_side != "left" or "position_ids" not in self.takes:
            return False
        return all(table.padding_idx is None for _, table in _position_tables(self.module))

    # ---- layers ----

    def _find_aliases(self) -> Mapping[str, str]:
        given: Any = self.collate([self._probe(2)]).to(self.device).arguments
        calls = watch(self.module, lambda: self.module(**given))
        depth = getattr(self.whole.config, "num_hidden_layers", None)
        called = {call.name for call in calls}
        names = name_layers(self.module, calls, find_stacks(self.module, depth, called))
        return {**names, "features": "features"} if isinstance(self.module, Tower) else names

    def _probe(self, length: int) -> Prepared:
        """A text of the same plain token, whatever the tokenizer would make of it."""
        special = set(self.tokenization.tokenizer.all_special_ids)
        plain = next(i for i in range(len(special) + 1) if i not in special)
        tokens = Tokens([plain] * length, [False] * length, [0] * length)
        return Prepared((tokens, tokens), length)

    def check_padding(self) -> None:
        """Raise `InvalidParameterError` if padding on the left would change the numbers.

        It would in models that count positions from the first column and cannot be told others.
        """
        if isinstance(self.module, Tower):
            raise InvalidParameterError(
                f"padding_side='left': the text tower of {self.name} was trained on texts that "
                "begin in the first column: pad on the right"
            )
        alone: Any = self.collate([self._probe(2)]).to(self.device).arguments
        padded: Any = self.collate([self._probe(2), self._probe(5)]).to(self.device).arguments
        with torch.no_grad():
            states = [self.module(**given) for given in (alone, padded)]
        one, other = (first_tensor(state) for state in states)
        assert one is not None
        assert other is not None
        if not torch.allclose(one[0], other[0, -one.shape[1] :], rtol=1e-2, atol=1e-3):
            raise InvalidParameterError(
                f"padding_side='left': {self.name} counts positions from the first column, so that "
                "padding there would change the numbers: pad on the right"
            )

    # ---- for experiments that feed vectors instead of tokens ----

    def tokenize(self, text: str, special_tokens: bool = True) -> list[int]:
        """Return the ids of a text, with or without the special tokens, never cut."""
        ids = self.tokenization.tokenizer(text, add_special_tokens=special_tokens)["input_ids"]
        return [int(i) for i in ids]

    def embed(self, ids: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Return the rows of the token embedding for ids (…), as (…, d), on `device`.

        They are what `forward(inputs_embeds=…)` takes in place of the ids.
        """
        table = self.whole.get_input_embeddings()
        with torch.no_grad():
            return table(torch.as_tensor(ids, device=table.weight.device))  # type: ignore[no-any-return]

    def forward(self, **arguments: Any) -> Any:
        """Run the model with its head on ids, `inputs_embeds` or `encoder_outputs`.

        Tensors are moved to `device`; gradients are off. The result is that of transformers;
        a bare tensor as `encoder_outputs` is taken as the encoder's last hidden state.
        """
        encoded = arguments.get("encoder_outputs")
        if isinstance(encoded, torch.Tensor):
            arguments["encoder_outputs"] = (encoded,)
        if "encoder_outputs" in arguments:
            from transformers.modeling_outputs import BaseModelOutput

            state = to_device(arguments["encoder_outputs"][0], self.device)
            arguments["encoder_outputs"] = BaseModelOutput(last_hidden_state=state)
        moved = {
            name: value if name == "encoder_outputs" else to_device(value, self.device)
            for name, value in arguments.items()
        }
        with torch.no_grad():
            return self.whole(**moved)

    def logits(self, **arguments: Any) -> torch.Tensor:
        """Return the logits (n, T, vocabulary) in float32; arguments as for `forward`.

        Raises
        ------
        InvalidParameterError
            If the checkpoint has no language-modelling head.
        """
        if self.whole.get_output_embeddings() is None:
            raise InvalidParameterError(
                f"{self.name} has no head that gives logits (it is a {type(self.whole).__name__}): "
                "load a checkpoint of the whole language model"
            )
        return self.forward(**arguments).logits.float()  # type: ignore[no-any-return]

    def segment_key(self, text: str) -> str:
        """A key under which results for one text can be kept: model, tokenizer, dtype, text."""
        return digest_of_text("\x1f".join([self.revision, self.preprocessing, self.dtype, text]))


def text_model(
    transformers: Any, whole: Any, place: Any, options: TextOptions, facts: dict[str, Any]
) -> TextModel:
    """Build the model of texts around the loaded network."""
    config = whole.config
    tokenizer = facts.pop("tokenizer", None) or _tokenizer(transformers, place, facts["name"])
    protein = _is_protein(config, tokenizer, facts.pop("modality", None))
    filled = _with_defaults(options, protein, config.model_type)
    kind = facts.pop("kind", TextModel)
    base, settings = facts.pop("base"), facts.pop("settings")
    context = _context(whole, base, tokenizer, filled.max_length)
    filled = replace(filled, max_length=context)
    encoder_only = not config.is_encoder_decoder and not _is_causal(transformers, config)
    tokenization = Tokenization(
        tokenizer,
        filled,
        context,
        encoder_only,
        tokenizer.unk_token_id if protein else None,
        spaced=protein and _needs_spaces(tokenizer),
    )
    tokenizer.deprecation_warnings[_TOO_LONG] = True  # we count and record what is cut
    tokenizer("a")  # afterwards its state stays as it is, so that threads may share it
    shown = {k: v for k, v in settings.items() if v is not None}
    printed = "; ".join(
        [f"tokenizer={_tokenizer_digest(tokenizer)}", filled.printed]
        + (["residues=spaced"] if tokenization.spaced else [])
        + [f"{name}={value}" for name, value in shown.items()]
    )
    model = kind(
        **facts,
        modality="protein" if protein else "text",
        module=base,
        preprocessing=printed,
        whole=whole,
        tokenization=tokenization,
    )
    if filled.padding_side == "left":
        model.check_padding()
    return model  # type: ignore[no-any-return]


def _is_protein(config: Any, tokenizer: Any, said: str | None) -> bool:
    """Whether the model reads amino acids: as the user says, or by its type or vocabulary.

    A vocabulary of proteins has all twenty letters and no word beside them.
    """
    if said is not None:
        return said == "protein"
    special = set(tokenizer.all_special_tokens)
    words = [word.lstrip("▁Ġ") for word in tokenizer.get_vocab() if word not in special]
    words = [word for word in words if word.isalpha()]
    known = {*words} >= {*_AMINO_ACIDS}
    return config.model_type in _PROTEINS or (known and all(len(w) == 1 for w in words))


def _needs_spaces(tokenizer: Any) -> bool:
    """Whether residues that stand side by side would be one unknown word (ProtBERT)."""
    known = tokenizer.get_vocab()
    residues = [letter for letter in _AMINO_ACIDS if letter in known][:4]
    together, apart = (
        tokenizer(joint.join(residues), add_special_tokens=False)["input_ids"]
        for joint in ("", " ")
    )
    return len(together) < len(residues) == len(apart)


def _tokenizer(transformers: Any, place: Any, name: str) -> Any:
    mend = "save it beside the weights, tokenizer.save_pretrained(folder)"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(place.path, **place.arguments)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UnavailableModelError(
            f"model {name!r}: its tokenizer cannot be loaded ({problem}): {mend}"
        ) from problem
    # where there is no file, transformers may make a tokenizer without words
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise UnavailableModelError(
            f"model {name!r}: its tokenizer cannot be loaded (it knows no word): {mend}"
        )
    return tokenizer


def _with_defaults(options: TextOptions, protein: bool, kind: str) -> TextOptions:
    special = options.special_tokens or ("exclude" if protein else "include")
    padding = options.padding or ("max_length" if kind in _LOOK_AT_PADDING else "longest")
    return replace(options, special_tokens=special, padding=padding)


def _is_causal(transformers: Any, config: Any) -> bool:
    """Whether a text is read from left to right, so that an answer just follows its prompt."""
    heads = transformers.models.auto.modeling_auto
    causal = heads.MODEL_FOR_CAUSAL_LM_MAPPING
    named = getattr(config, "architectures", None) or ()
    if type(config) in causal and causal[type(config)].__name__ in named:
        return True
    return type(config) not in heads.MODEL_FOR_MASKED_LM_MAPPING


def _context(whole: Any, base: Any, tokenizer: Any, asked: int | None) -> int | None:
    """The most tokens that the model takes, or None if it has no limit of its own."""
    config = whole.config.text_config if isinstance(base, Tower) else whole.config
    limits = [getattr(config, "max_position_embeddings", None)]
    for name, part in _position_tables(base):
        if "vision" not in name:
            offset = 0 if part.padding_idx is None else part.padding_idx + 1
            limits.append(part.num_embeddings - offset - getattr(part, "offset", 0))
    hard = [limit for limit in limits if limit is not None and limit > 0]
    if asked is not None and hard and asked > min(hard):
        raise InvalidParameterError(
            f"max_length={asked}: the model takes at most {min(hard)} tokens"
        )
    known = [int(limit) for limit in (*hard, tokenizer.model_max_length) if limit < _NO_LIMIT]
    return min(known, default=None) if asked is None else asked


def _position_tables(module: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Embedding]]:
    for name, part in module.named_modules():
        if "position" in name.lower() and isinstance(part, torch.nn.Embedding):
            yield name, part


def _tokenizer_digest(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return digest_of_text(backend.to_str())
    vocabulary = sorted(tokenizer.get_vocab().items())
    return digest_of_text(f"{type(tokenizer).__name__} {tokenizer.special_tokens_map} {vocabulary}")


def _positions(attended: torch.Tensor) -> torch.Tensor:
    return (attended.cumsum(1) - 1).clamp(min=0)
