"""Reader for the representations that Klabunde et al. (2023) published as Arrow exports.

One folder holds one model on one data set: `dataset_info.json`, whose `description` names both,
and `data*.arrow` shards with one row per example. The column `output_embeddings` lists a vector
for every token, of the prompt and of what the model generated after it; `prompt_tokens` lists the
tokens of the prompt. Only the vectors of the prompt are read, and nothing but them: the shards
are memory-mapped, so that the final token of every prompt costs n × d values, not the export.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from repscape.data.token_columns import NestedVectors, list_lengths, nested_vectors
from repscape.errors import (
    InvalidParameterError,
    NonFiniteError,
    UnknownNameError,
    UnreadableFileError,
    did_you_mean,
)
from repscape.representation import Origin, Representation

Strategy: TypeAlias = Literal["final_token", "mean"]

INFO = "dataset_info.json"
STATE = "state.json"
VECTORS = "output_embeddings"
PROMPTS = "prompt_tokens"
LAYER = "output"
ZERO_SHOT = ("zero-shot",)
_SHARDS = "data*.arrow"
_POOLING: dict[Strategy, str] = {"final_token": "last", "mean": "mean"}
_NUMBERED = re.compile(r"-(\d+)-of-(\d+)\.arrow$")
_DESCRIPTION = re.compile(
    r"hidden representations\) of the language model (?P<model>\S.*?) on the (?P<data>\S.*?) "
    r"dataset\.(?:\s*Model information:\s*(?P<information>.*))?",
    re.DOTALL,
)
_SEPARATORS = str.maketrans({"/": "-", "\\": "-", "_": "-"})


@dataclass(frozen=True)
class Export:
    """What a folder says about itself, before any vector is read.

    Attributes
    ----------
    folder : Path
    model, data : str
        Parsed from the description; `/`, `\\` and `_` became `-`, as in the published tables.
    split : str or None
        `"validation"` if the path says so.
    information : str
        What the description adds about the model.
    shards : tuple of Path
        In their order.
    examples : int or None
        How many examples there should be, if the folder says.
    """

    folder: Path
    model: str
    data: str
    split: str | None
    information: str
    shards: tuple[Path, ...]
    examples: int | None


def find_exports(root: str | Path, containing: Sequence[str] = ZERO_SHOT) -> list[Path]:
    """The folders of exports in `root`, sorted, whose paths contain all of these texts.

    Raises `UnreadableFileError` if there is none; the message says what was found instead.
    """
    here = Path(root)
    if not here.is_dir():
        raise UnreadableFileError(f"{here}: there is no such folder of exports")
    folders = sorted(child for child in here.iterdir() if child.is_dir())
    chosen = [folder for folder in folders if all(text in str(folder) for text in containing)]
    if not chosen:
        wanted = " and ".join(map(repr, containing)) or "anything"
        raise UnreadableFileError(
            f"{here}: none of its {len(folders)} folders has {wanted} in its path, as the exports "
            "of the study have: rename them, or say with the option `containing` what the paths of "
            "yours contain ([] takes every folder)"
        )
    return chosen


def find_export(
    root: str | Path, model: str, data: str, containing: Sequence[str] = ZERO_SHOT
) -> Path:
    """The folder in `root` whose description names this model and this data set.

    Names are compared without regard to case and to `/`, `\\`, `_` against `-`; of a model, what
    follows the organisation is enough.

    Raises `UnreadableFileError` if there is none, or several; the message lists what there is on
    this data set, and how many folders have a description that cannot be read.
    """
    named, unreadable = [], []
    for folder in find_exports(root, containing):
        try:
            _, description = _described(folder)
            named.append((folder, description["model"], description["data"]))
        except UnreadableFileError as problem:
            unreadable.append(str(problem))
    wanted = _comparable(model)
    found = [
        folder
        for folder, m, d in named
        if _comparable(d) == _comparable(data)
        and wanted in (_comparable(m), _comparable(m.rpartition("/")[2]))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        listed = " and ".join(folder.name for folder in found)
        raise UnreadableFileError(
            f"{root}: {len(found)} folders hold {model!r} on {data!r} ({listed}): say more of the "
            "model's name, or move one away"
        )
    on_it = [one for one in named if _comparable(one[2]) == _comparable(data)]
    there = ", ".join(f"{m} on {d}" for _, m, d in on_it or named) or "none"
    broken = "".join(f"; {problem}" for problem in unreadable[:1])
    if len(unreadable) > 1:
        broken += f", and so in {len(unreadable) - 1} more"
    raise UnreadableFileError(
        f"{root}: no export of {model!r} on {data!r}; there are: {there}{broken}"
    )


def read_export_info(folder: str | Path) -> Export:
    """Parse the description of an export and list its shards; read no vector.

    Raises
    ------
    UnreadableFileError
        If there is no `dataset_info.json`, its description names no model and data set, there
        are no shards, or one that their names or `state.json` promise is missing.
    """
    here = Path(folder)
    info, found = _described(here)
    return Export(
        folder=here,
        model=found["model"].translate(_SEPARATORS),
        data=found["data"].translate(_SEPARATORS),
        split="validation" if "validation" in str(here) else None,
        information=(found["information"] or "").strip(),
        shards=_shards(here),
        examples=_promised_examples(info),
    )


def load_export(folder: str | Path, strategy: Strategy = "final_token") -> Representation:
    """Read one vector per example: that of the prompt's final token, or the prompt's mean.

    Parameters
    ----------
    folder
        One model on one data set.
    strategy : "final_token" or "mean"
        The mean is taken in float64 over the tokens of the prompt; generated tokens never count.

    Returns
    -------
    Representation
        float32, (examples, width); ids are the positions 0 … n−1; `origin` has the model, the
        data set and the split; the pooling is called `last` or `mean`.

    Raises
    ------
    UnreadableFileError
        As `read_export_info`, or if a shard is truncated, lacks a column, holds fewer vectors
        than its prompt has tokens, vectors of several lengths, or fewer examples than promised.
    NonFiniteError
        If a vector holds NaN or infinite values; the message names the example.
    """
    if strategy not in get_args(Strategy):
        raise UnknownNameError(
            f"no strategy is called {strategy!r}: {did_you_mean(strategy, get_args(Strategy))}"
        )
    export = read_export_info(folder)
    parts = list(export_vectors(export, strategy))
    values = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
    if export.examples is not None and len(values) != export.examples:
        raise UnreadableFileError(
            f"{export.folder}: the shards hold {len(values)} examples, but {INFO} promises "
            f"{export.examples}: a shard is truncated or missing"
        )
    if not values.size:
        raise UnreadableFileError(f"{export.folder}: the shards hold no examples")
    origin = Origin(
        model=export.model,
        layer=LAYER,
        pooling=_POOLING[strategy],
        data=export.data,
        split=export.split,
        dtype="float32",
    )
    return Representation(values, origin=origin)


def export_vectors(export: Export, strategy: Strategy) -> Iterator[npt.NDArray[np.float32]]:
    """The vectors of an export, (m, d) for each batch of rows that a shard holds."""
    done, width = 0, None
    for shard in export.shards:
        for batch in _batches(shard):
            where = f"{shard}: example"
            lengths = list_lengths(_column(batch, PROMPTS, shard), f"{shard}: {PROMPTS}")
            vectors = nested_vectors(_column(batch, VECTORS, shard), f"{shard}: {VECTORS}")
            _check_lengths(lengths, vectors, where, done)
            values = _pooled(vectors, lengths, strategy)
            width = values.shape[1] if width is None and len(values) else width
            if len(values) and values.shape[1] != width:
                raise UnreadableFileError(
                    f"{where} {done} has vectors of {values.shape[1]} values, but those before "
                    f"it have {width}"
                )
            _check_finite(values, where, done)
            done += len(values)
            yield values


def _described(folder: Path) -> tuple[dict[str, Any], re.Match[str]]:
    info = _read_json(folder / INFO)
    text = str(info.get("description", ""))
    found = _DESCRIPTION.search(text)
    if found is None:
        raise UnreadableFileError(
            f"{folder / INFO}: the description {_shortened(text)!r} does not name a model and a "
            "data set; expected 'Logged outputs (hidden representations) of the language model "
            "MODEL on the DATA dataset.'"
        )
    return info, found


def _comparable(name: str) -> str:
    return name.translate(_SEPARATORS).casefold()


def _pooled(
    vectors: NestedVectors, lengths: npt.NDArray[np.int64], strategy: Strategy
) -> npt.NDArray[np.float32]:
    if strategy == "final_token":
        return vectors.rows(vectors.starts + lengths - 1).astype(np.float32)
    means = [
        vectors.rows(np.arange(start, start + length)).mean(axis=0, dtype=np.float64)
        for start, length in zip(vectors.starts, lengths, strict=True)
    ]
    return np.asarray(means, dtype=np.float32).reshape(len(lengths), -1)


def _check_lengths(
    lengths: npt.NDArray[np.int64], vectors: NestedVectors, where: str, done: int
) -> None:
    wrong = np.flatnonzero((lengths < 1) | (lengths > vectors.counts))
    if len(wrong):
        row = int(wrong[0])
        raise UnreadableFileError(
            f"{where} {done + row} has {vectors.counts[row]} vectors in {VECTORS} for the "
            f"{lengths[row]} tokens of its prompt in {PROMPTS}; every token of the prompt needs "
            "one, and a prompt needs a token"
        )


def _check_finite(values: npt.NDArray[np.float32], where: str, done: int) -> None:
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        raise NonFiniteError(
            f"{where} {done + int(broken[0])} has NaN or infinite values in {VECTORS} "
            f"({len(broken)} such examples in this batch)"
        )


def _batches(shard: Path) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard, which stay where they lie until a value is read."""
    try:
        with pa.memory_map(str(shard)) as mapped:
            yield from _stream_or_file(mapped)
    except (pa.ArrowInvalid, OSError) as problem:
        raise UnreadableFileError(
            f"{shard}: not a whole Arrow file, perhaps truncated ({problem}): fetch it again"
        ) from None


def _stream_or_file(mapped: pa.MemoryMappedFile) -> Iterator[pa.RecordBatch]:
    magic = mapped.read(6)
    mapped.seek(0)
    if magic == b"ARROW1":
        reader = pa.ipc.open_file(mapped)
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        yield from pa.ipc.open_stream(mapped)


def _column(batch: pa.RecordBatch, name: str, shard: Path) -> pa.Array:
    names = batch.schema.names
    if name not in names:
        raise UnreadableFileError(f"{shard}: holds no column {name!r}: {did_you_mean(name, names)}")
    return batch.column(names.index(name))


def _shards(folder: Path) -> tuple[Path, ...]:
    found = {path.name: path for path in sorted(folder.glob(_SHARDS))}
    if not found:
        raise UnreadableFileError(f"{folder}: holds no {_SHARDS}")
    promised = set(_promised_shards(folder, list(found)))
    missing = sorted(promised - found.keys())
    if missing:
        raise UnreadableFileError(
            f"{folder}: {len(missing)} of {len(promised)} shards are missing, the first is "
            f"{missing[0]}: fetch it, since examples without it would be counted wrongly"
        )
    return tuple(found.values())


def _promised_shards(folder: Path, found: list[str]) -> list[str]:
    state = _read_json(folder / STATE) if (folder / STATE).exists() else {}
    listed = [str(entry["filename"]) for entry in state.get("_data_files", [])]
    for name in found:
        match = _NUMBERED.search(name)
        if match:
            stem, digits = name[: match.start()], len(match[1])
            listed += [
                f"{stem}-{number:0{digits}}-of-{match[2]}.arrow" for number in range(int(match[2]))
            ]
    return listed


def _promised_examples(info: dict[str, Any]) -> int | None:
    splits = info.get("splits") or {}
    counts = [split.get("num_examples") for split in splits.values() if isinstance(split, dict)]
    # An export of one split out of several lists them all, and does not say which it holds.
    return int(counts[0]) if len(counts) == 1 and counts[0] is not None else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableFileError(
            f"{path.parent}: holds no {path.name}, which says what the representations are of"
        ) from None
    except (OSError, ValueError) as problem:
        raise UnreadableFileError(f"{path}: not a JSON file ({problem})") from None
    if not isinstance(content, dict):
        raise UnreadableFileError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _shortened(text: str, most: int = 90) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def check_comparable(representations: Sequence[Representation]) -> None:
    """Refuse exports of one data set that hold different numbers of examples.

    Raises `InvalidParameterError`, naming every model with its count.
    """
    counts: dict[str | None, dict[str, int]] = {}
    for rep in representations:
        counts.setdefault(rep.origin.data, {})[str(rep.origin.model)] = rep.n
    for data, models in counts.items():
        if len(set(models.values())) > 1:
            listed = ", ".join(f"{model}: {n}" for model, n in models.items())
            raise InvalidParameterError(
                f"the exports of {data} hold different numbers of examples ({listed}), so their "
                "rows do not belong together: fetch them again or leave one out"
            )
