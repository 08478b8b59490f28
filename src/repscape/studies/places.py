"""What a user names where a command wants a study: a file, a built-in study, an output folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repscape.errors import StudyError, UnreadableFileError
from repscape.studies.builtin_studies import builtin_names, builtin_path
from repscape.studies.snapshot import NAME, STUDY, read_snapshot
from repscape.studies.yaml_file import read_source


@dataclass(frozen=True)
class Named:
    """The study file; of an output folder, also that folder and the store of its run."""

    file: Path
    out: Path | None = None
    store: Path | None = None


def find_study(name: str, folder_first: bool = False) -> Named:
    """What a user's `STUDY` stands for.

    Parameters
    ----------
    name : str
        A study file, a built-in study, or the output folder of a run.
    folder_first : bool
        Whether the folder of this name counts rather than the built-in study of this name; with
        a slash in it, a name is always that of a folder.

    Raises
    ------
    UnknownNameError, UnreadableFileError
        If there is none of them.
    """
    path = Path(name)
    if path.is_dir() and (folder_first or name not in builtin_names()):
        if not (path / STUDY).is_file():
            raise UnreadableFileError(
                f"{name}: this folder has no {STUDY}: no study has been run into it; give a study "
                "file, a built-in study, or the folder of `repscape run`"
            )
        store = read_snapshot(path).store if (path / NAME).exists() else None
        return Named(path / STUDY, path, store)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return Named(path)
    return Named(builtin_path(name))


def find_output_folder(name: str) -> Path:
    """The folder that `repscape run NAME` writes into, or NAME if it is such a folder."""
    path = Path(name)
    if path.is_dir() or not (path.suffix or name in builtin_names()):
        return path
    file = find_study(name).file
    study = read_source(file).content.get("study")
    if not isinstance(study, str):
        raise StudyError(f"{file}: it does not say what it is called: add `study: NAME`")
    return Path(study)
