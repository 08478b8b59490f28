"""Every error that Repscape raises on purpose.

All derive from `RepscapeError`. A message says what was wrong, where, quotes what the user
wrote, and says how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RepscapeError(Exception):
    """The base of all errors that Repscape raises on purpose."""


class InvalidRepresentationError(RepscapeError, ValueError):
    """The values given as a representation have the wrong shape, type or ids."""


class NonFiniteError(InvalidRepresentationError):
    """A representation holds NaN or infinite values."""


class MissingLabelsError(InvalidRepresentationError):
    """The score needs the labels of the samples, and the representation has none that serve."""


class SampleMismatchError(RepscapeError, ValueError):
    """Two representations do not describe the same samples in the same order."""


class TooFewSamplesError(RepscapeError, ValueError):
    """Fewer samples than the measure or descriptor is defined for."""


SQUARES_OVERFLOW = (
    "the values are so large or so small that their squares overflow or vanish; bring them to a "
    "common scale first"
)


class UndefinedScoreError(RepscapeError, ValueError):
    """The number asked for does not exist for this input, e.g. the CKA of a constant matrix."""


class UndefinedNullError(RepscapeError, TypeError):
    """The null, interval or effect asked for does not exist for this measure."""


class UnknownNameError(RepscapeError, LookupError):
    """No measure, transform, layer, column, … has the name that was given."""


class InvalidParameterError(RepscapeError, ValueError):
    """A parameter does not exist, or its value is not allowed."""


class MemoryLimitError(RepscapeError, MemoryError):
    """The computation does not fit into `memory_limit`; the message says what would."""


class UnsafeFileError(RepscapeError, ValueError):
    """A file could only be read by executing code that it carries (pickle), so it is refused."""


class UnreadableFileError(RepscapeError, ValueError):
    """A file is missing, truncated or not of the kind that its name says."""


class SampleError(RepscapeError, ValueError):
    """One sample cannot be read or prepared; the message says which, and why.

    `extract(…, on_error="skip")` leaves such samples out and lists them.
    """


class UnavailableModelError(RepscapeError, OSError):
    """The weights of a model cannot be had: no such model, gated, no network, or damaged."""


class ModelFailedError(RepscapeError, RuntimeError):
    """torch refused what the model did with a batch; the message says which, and its shapes.

    The error of torch is its cause.
    """


class MissingExtraError(RepscapeError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class ConformanceError(RepscapeError, AssertionError):
    """A measure does not do what it declares; the message lists every failed check."""


class StudyError(RepscapeError, ValueError):
    """A study file is wrong; each line of the message names file, line, column and the mend."""


class StoreError(RepscapeError):
    """Something about an artefact store."""


class ArtefactMissingError(StoreError, LookupError):
    """The store has no committed artefact under this key."""


class CorruptArtefactError(StoreError):
    """A stored file is truncated or altered: its checksum is not the one in the manifest."""


class StoreNotWritableError(StoreError, OSError):
    """The store is on a full or read-only disk, or the user may not write there."""


class TaskFailedError(RepscapeError, RuntimeError):
    """A task of a run failed; the message holds its error and its traceback."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the near matches of `name`, or all of `known`.

    >>> did_you_mean("CKAA", ["cka", "rsa"])
    "did you mean 'cka'?"
    """
    options = sorted(set(known))
    folded = {option.casefold(): option for option in options}
    close = [
        folded[match]
        for match in difflib.get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.5)
    ]
    if close:
        return "did you mean " + " or ".join(repr(c) for c in close) + "?"
    return "known: " + ", ".join(options)
