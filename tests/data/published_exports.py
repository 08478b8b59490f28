"""Writes folders as the published Arrow exports of language-model representations are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

DESCRIPTION = (
    "Logged outputs (hidden representations) of the language model {model} on the {data} "
    "dataset.\n    Model information: {{'parameters': '7b'}}"
)


def write_export(
    folder: Path,
    vectors: Sequence[np.ndarray],
    prompts: Sequence[int],
    *,
    model: str = "org/some_model-7b",
    data: str = "Winogrande",
    shards: int = 1,
    rows_per_batch: int = 2,
    value_type: pa.DataType | None = None,
    as_file: bool = False,
) -> Path:
    """One example per entry of `vectors` (tokens × width); `prompts` counts its prompt tokens."""
    folder.mkdir(parents=True)
    info = {
        "description": DESCRIPTION.format(model=model, data=data),
        "splits": {"train": {"name": "train", "num_examples": len(vectors)}},
    }
    (folder / "dataset_info.json").write_text(json.dumps(info))
    nested = pa.list_(pa.list_(value_type or pa.float32()))
    schema = pa.schema(
        [
            ("prompt", pa.string()),
            ("prompt_tokens", pa.list_(pa.int64())),
            ("output_embeddings", nested),
        ]
    )
    for shard, rows in enumerate(np.array_split(np.arange(len(vectors)), shards)):
        path = folder / f"data-{shard:05d}-of-{shards:05d}.arrow"
        opened = pa.ipc.new_file if as_file else pa.ipc.new_stream
        with pa.OSFile(str(path), "wb") as sink, opened(sink, schema) as writer:
            for start in range(0, len(rows), rows_per_batch):
                part = rows[start : start + rows_per_batch]
                writer.write_batch(
                    pa.record_batch(
                        [
                            pa.array([f"example {row}" for row in part]),
                            pa.array([list(range(prompts[row])) for row in part], schema.types[1]),
                            pa.array([list(vectors[row]) for row in part], nested),
                        ],
                        schema=schema,
                    )
                )
    return folder


def random_examples(
    n: int, width: int, seed: int, generated: int = 3
) -> tuple[list[np.ndarray], list[int]]:
    """Token vectors of n examples (prompt and generated) and the lengths of their prompts."""
    rng = np.random.default_rng(seed)
    prompts = rng.integers(1, 6, n).tolist()
    return [rng.normal(size=(p + generated, width)).astype(np.float32) for p in prompts], prompts
