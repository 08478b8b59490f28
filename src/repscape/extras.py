"""Packages that only some users need: imported when used, with an error that names the extra."""

from __future__ import annotations

import importlib
from typing import Any

from repscape.errors import MissingExtraError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module : str
        What to import, e.g. `"PIL.Image"`.
    extra : str
        The extra of Repscape that brings it: `pip install 'repscape[extra]'`.
    purpose : str
        What needs it, for the message: `"reading images"`.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is None or problem.name.split(".")[0] != module.split(".")[0]:
            raise  # the package is there, and something that it needs is not
        raise MissingExtraError(
            f"{purpose} needs the package {module.split('.')[0]!r}, which is not installed: "
            f"pip install 'repscape[{extra}]'"
        ) from None
