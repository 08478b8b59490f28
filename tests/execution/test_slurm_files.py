"""What submitit leaves is removed, but nothing that a job needs, and nothing of anybody else."""

from __future__ import annotations

import os
import time

from repscape.execution.slurm_files import WEEK, clean, forget

OLD = ("7_submission.sh", "7_0_submitted.pkl", "7_0_0_result.pkl", "8_0_log.out", "8_0_log.err")
ELSE = ("notes.txt", "results_log.out", "7_0_submitted.pkl.bak", "x_submission.sh")


def test_what_is_old_goes_unless_its_job_waits_or_it_is_somebody_elses(tmp_path):
    waiting = ("70_3_submitted.pkl", "70_submission.sh")
    before = time.time() - WEEK - 60
    for name in (*OLD, *ELSE, *waiting):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (before, before))
    (tmp_path / "9_0_log.out").touch()
    assert {path.name for path in clean(tmp_path, ["70_3"])} == set(OLD)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*ELSE, *waiting, "9_0_log.out"}
    assert clean(tmp_path / "none", []) == []


def test_what_is_gone_already_is_no_error(tmp_path):
    (tmp_path / "a").touch()
    forget([tmp_path / "b", tmp_path / "a"])
    assert list(tmp_path.iterdir()) == []
