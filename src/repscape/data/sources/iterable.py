"""Any iterable of texts, images or arrays, read into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from repscape.data.digests import value_revision
from repscape.data.source import DataSource, Sample
from repscape.errors import InvalidParameterError

_FORM = "give contents, (id, content), (id, content, label), or Sample(id, content, …)"


def from_iterable(
    items: Iterable[Any], *, name: str = "iterable", modality: str | None = None, split: str = "all"
) -> DataSource:
    """Samples from an iterable.

    Parameters
    ----------
    items : iterable
        Contents (text, PIL images, arrays), `(id, content)`, `(id, content, label)` or
        `Sample`. Without ids, samples are called 0, 1, 2, …
    name, split : str
        For tables and figures, and for the hash of random subsets.
    modality : str, optional
        By default `"text"` for text, `"image"` for PIL images, `"array"` for arrays.
    """
    if isinstance(items, Mapping):
        items = items.items()
    samples = [_sample(row, item) for row, item in enumerate(items)]
    if not samples:
        raise InvalidParameterError(f"{name} gave no samples: {_FORM}")
    contents = [sample.content for sample in samples]
    labels = [sample.label for sample in samples]
    unlabelled = [sample.id for sample in samples if sample.label is None]
    if 0 < len(unlabelled) < len(samples):
        raise InvalidParameterError(
            f"sample {unlabelled[0]!r} of {name} has no label, but others have: give all or none"
        )
    columns = {key: [s.columns.get(key) for s in samples] for key in samples[0].columns}
    return DataSource(
        name=name,
        ids=_ids(samples),
        readers={modality or _modality(contents[0]): contents},
        find_revision=lambda: value_revision(map(_fingerprint, samples)),
        split=split,
        labels=None if unlabelled else np.asarray(labels),
        columns={key: np.asarray(values) for key, values in columns.items()},
    )


def _sample(row: int, item: Any) -> Sample:
    if isinstance(item, Sample):
        return item
    if isinstance(item, tuple):
        if len(item) not in (2, 3) or not isinstance(item[0], str | int | np.integer):
            raise InvalidParameterError(f"item {row} is a tuple of {len(item)}: {_FORM}")
        return Sample(*item)
    return Sample(row, item)


def _ids(samples: list[Sample]) -> Any:
    kinds = {isinstance(sample.id, str) for sample in samples}
    if len(kinds) == 2:
        text = next(s.id for s in samples if isinstance(s.id, str))
        number = next(s.id for s in samples if not isinstance(s.id, str))
        raise InvalidParameterError(
            f"ids mix text ({text!r}) and whole numbers ({number!r}): use one or the other"
        )
    return np.asarray([sample.id for sample in samples])


def _modality(content: Any) -> str:
    if isinstance(content, str | tuple):
        return "text"
    return "image" if type(content).__module__.partition(".")[0] == "PIL" else "array"


def _is_pair(content: Any) -> bool:
    return isinstance(content, tuple) and all(isinstance(part, str) for part in content)


def _fingerprint(sample: Sample) -> bytes:
    """What the content revision sees of a sample: everything."""
    digest = hashlib.sha256(repr((sample.id, sample.label, dict(sample.columns))).encode())
    content = sample.content
    if isinstance(content, str) or _is_pair(content):
        digest.update(repr(content).encode("utf-8", "surrogatepass"))
    elif isinstance(content, bytes):
        digest.update(content)
    elif hasattr(content, "tobytes") or hasattr(content, "numpy"):
        array = np.asarray(content)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    else:
        raise InvalidParameterError(
            f"the content of sample {sample.id!r} is a {type(content).__name__}, which has no "
            "digest: give load_data(…, revision=) a version of your own"
        )
    return digest.digest()
