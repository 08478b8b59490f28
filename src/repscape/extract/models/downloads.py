"""What can go wrong when a model is downloaded, in our words and within seconds."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from safetensors import SafetensorError

from repscape.errors import (
    InvalidParameterError,
    UnavailableModelError,
    UnknownNameError,
    UnsafeFileError,
)
from repscape.extract.models.weights import one_line
from repscape.hub import hub_or_cache

_NO_HUB = ("couldn't connect", "offline mode", "cannot find the requested files in the local cache")


@contextmanager
def hub_errors(written: str, remote: bool = True) -> Iterator[None]:
    """Say in our words, and within seconds, why a model cannot be had."""
    try:
        with hub_or_cache() if remote else nullcontext():
            yield
    except (InvalidParameterError, UnavailableModelError, UnknownNameError):
        raise
    except pickle.UnpicklingError as problem:
        raise UnsafeFileError(
            f"model {written!r}: reading its weights would execute code that they carry: use a "
            "revision with safetensors"
        ) from problem
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as problem:
        raise UnavailableModelError(f"model {written!r}: {_reason(problem)}") from problem


def commit_on_hub(repository: str, files: Sequence[str], revision: str | None = None) -> str | None:
    """The commit at which a repository of the hub, or of its cache, is read; within `hub_errors`.

    It is asked for with the first of `files` that the repository has; None if it has none.
    """
    import huggingface_hub as hub
    from huggingface_hub import constants, errors

    for file in files:
        if constants.HF_HUB_OFFLINE:
            found = hub.try_to_load_from_cache(repository, file, revision=revision)
            if isinstance(found, str):
                parts = Path(found).parts
                return parts[parts.index("snapshots") + 1]
            continue
        try:
            url = hub.hf_hub_url(repository, file, revision=revision)
            return hub.get_hf_file_metadata(url).commit_hash
        except errors.RemoteEntryNotFoundError:
            continue
    return None


def _reason(problem: Exception) -> str:
    text = str(problem)
    kinds = {type(e).__name__ for e in _causes(problem)}
    if "GatedRepoError" in kinds or "gated repo" in text:
        return "it is gated: accept its terms on the hub and log in (`hf auth login`)"
    if "trust_remote_code" in text:
        return (
            "it brings code of its own. If you have read that code: trust_remote_code=True, with "
            "the commit as revision"
        )
    if kinds & {"RepositoryNotFoundError", "RevisionNotFoundError"}:
        return "the hub has no such model or revision (or it is private): check the name"
    offline = {"OfflineModeIsEnabled", "ConnectionError", "ConnectError", "LocalEntryNotFoundError"}
    if kinds & offline or any(words in text for words in _NO_HUB):
        return (
            "it is not on this machine, and the hub cannot be reached: check the name and the "
            "network, or give a folder that save_pretrained wrote"
        )
    if "URLError" in kinds or "TimeoutError" in kinds:
        return (
            f"its weights are not on this machine, and cannot be downloaded ({one_line(text)}): "
            "check the network, or give a file of weights that you have, weights='…'"
        )
    return one_line(text)


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__
