"""The built-in studies: one YAML file each."""

from __future__ import annotations

from pathlib import Path

from repscape.errors import UnknownNameError, did_you_mean

_FOLDER = Path(__file__).parent / "builtin"


def builtin_names() -> list[str]:
    """The names of the built-in studies, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def builtin_path(name: str) -> Path:
    """The file of a built-in study.

    Raises
    ------
    UnknownNameError
        If there is none of this name.
    """
    path = _FOLDER / f"{name}.yaml"
    if name not in builtin_names():
        raise UnknownNameError(
            f"no built-in study is called {name!r}, and there is no file of this name: "
            + did_you_mean(name, builtin_names())
        )
    return path
