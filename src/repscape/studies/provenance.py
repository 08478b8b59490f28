"""Where a table, figure or report comes from, written into the file itself, and read back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from repscape.errors import UnreadableFileError

FORMAT = 1
PARQUET_KEY = b"repscape"
PNG_KEY = "repscape"
PDF_MARK = "repscape:"
HTML_ID = "repscape-provenance"
_HTML = re.compile(rf'<script type="application/json" id="{HTML_ID}">(.*?)</script>', re.DOTALL)
_PDF = re.compile(rb"/Keywords\s*\(" + PDF_MARK.encode() + rb"([A-Za-z0-9+/=\\\s]+)\)")


@dataclass(frozen=True)
class Provenance:
    """All that is needed to know a result and to compute it again.

    Attributes
    ----------
    what : str
        The file, within the output folder.
    study, study_digest : str
        Name and digest of the study.
    command : str
        The one command that recomputes it, in the output folder; see `recompute_command`.
    inputs : mapping of role to key
        The artefacts that it was made from.
    models, data : mapping of name to revision
        Content revisions.
    seeds : mapping of name to int
        Every seed of the study.
    versions : mapping of library to version
        What computed it.
    """

    what: str
    study: str
    study_digest: str
    command: str
    inputs: Mapping[str, str]
    models: Mapping[str, str]
    data: Mapping[str, str]
    seeds: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return one line of JSON in ASCII."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    def for_pdf(self) -> str:
        """The same for the keywords of a PDF file."""
        return PDF_MARK + base64.b64encode(self.to_json().encode()).decode()

    @classmethod
    def from_json(cls, text: str) -> Provenance:
        """Inverse of `to_json`."""
        known = json.loads(text)
        if known.pop("format") > FORMAT:
            raise ValueError("it is of a newer version of Repscape")
        return cls(**known)


def sidecar(path: Path) -> Path:
    """Where the provenance of a CSV file stands."""
    return path.with_name(f"{path.name}.provenance.json")


def read_provenance(path: Path) -> Provenance:
    """Read the provenance of a table, figure or report of a study.

    Raises
    ------
    UnreadableFileError
        If there is no such file, or it carries none.
    """
    if not path.is_file():
        raise UnreadableFileError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise UnreadableFileError(
            f"{path}: tables (.parquet, .csv), figures (.png, .pdf) and reports (.html) of a study "
            "carry their provenance"
        )
    try:
        text = _READERS[suffix](path)
    except (OSError, ValueError) as problem:
        raise UnreadableFileError(f"{path}: not a {suffix} file ({problem})") from None
    if text is None:
        beside = " (it would stand in the file beside it)" if suffix == ".csv" else ""
        raise UnreadableFileError(
            f"{path}: it carries no provenance{beside}: it was not written by `repscape run` or "
            "`repscape report`, or another program has written it again"
        )
    try:
        return Provenance.from_json(text)
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreadableFileError(f"{path}: its provenance is broken ({problem})") from None


def _of_parquet(path: Path) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
    except pa.ArrowException as problem:
        raise ValueError(str(problem)) from None
    found = metadata.get(PARQUET_KEY)
    return None if found is None else found.decode()


def _of_csv(path: Path) -> str | None:
    beside = sidecar(path)
    return beside.read_text(encoding="utf-8") if beside.is_file() else None


def _of_png(path: Path) -> str | None:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        found = image.info.get(PNG_KEY)
    return found if isinstance(found, str) else None


def _of_pdf(path: Path) -> str | None:
    found = _PDF.search(path.read_bytes())
    if found is None:
        return None
    return base64.b64decode(found[1].replace(b"\\\n", b"")).decode()


def _of_html(path: Path) -> str | None:
    found = _HTML.search(path.read_text(encoding="utf-8"))
    return None if found is None else found[1].replace("\\u003c", "<")


_READERS = {
    ".parquet": _of_parquet,
    ".csv": _of_csv,
    ".png": _of_png,
    ".pdf": _of_pdf,
    ".html": _of_html,
}
