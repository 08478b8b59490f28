"""What the command line makes of warnings that samples were left out."""

from __future__ import annotations

import warnings

import pytest

from repscape.cli.extracting import skipped_as_notes
from repscape.extract.skipping import SkippedSamplesWarning


def leave_out(times: int = 1) -> None:
    for _ in range(times):
        warnings.warn(SkippedSamplesWarning({"7": "it is empty"}, 10), stacklevel=1)


def fail_in_the_end() -> None:
    with skipped_as_notes():
        leave_out(2)
        raise ZeroDivisionError


def warn_of_two_things() -> None:
    with skipped_as_notes():
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        leave_out()


def test_samples_left_out_are_told_each_time_also_where_the_run_fails_then(capsys):
    with pytest.raises(ZeroDivisionError):
        fail_in_the_end()
    assert capsys.readouterr().err == "1 of 10 samples were left out: it is empty\n" * 2


def test_other_warnings_stay_what_they_are(capsys):
    with pytest.warns(DeprecationWarning, match="old") as told:
        warn_of_two_things()
    assert len(told) == 1
    assert "left out" in capsys.readouterr().err
