from __future__ import annotations

import pytest

from repscape.errors import InvalidParameterError
from repscape.execution.inline import InlineExecutor
from repscape.execution.names import get_executor
from repscape.execution.processes import ProcessExecutor
from repscape.execution.ray import RayExecutor
from repscape.execution.slurm import SlurmExecutor


def test_a_name_gives_the_executor_with_its_defaults():
    kinds = [type(get_executor(name)) for name in ("inline", "processes", "slurm", "ray")]
    assert kinds == [InlineExecutor, ProcessExecutor, SlurmExecutor, RayExecutor]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("processes[cpus=3,gpus=0+1,memory=2GiB]", ProcessExecutor(3, ["0", "1"], 2 * 2**30)),
        (
            "slurm[partition=gpu,account=lab,minutes=90,memory=1GiB,poll_seconds=0.5,folder=a/b]",
            SlurmExecutor("gpu", "lab", minutes=90, memory=2**30, poll_seconds=0.5, folder="a/b"),
        ),
        (
            "slurm[setup=module load cuda+ulimit -n 4096]",
            SlurmExecutor(setup=["module load cuda", "ulimit -n 4096"]),
        ),
        ("ray[address=ray://head:10001,queued=5]", RayExecutor("ray://head:10001", queued=5)),
    ],
)
def test_settings_stand_in_brackets(text, same):
    assert vars(get_executor(text)) == vars(same)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inlin", "no executor 'inlin': did you mean 'inline'"),
        ("slurm|ray", "no executor 'slurm|ray'"),
        ("inline[cpus=2]", "'inline' has no setting 'cpus': it takes none"),
        ("slurm[partitoin=gpu]", "no setting 'partitoin': did you mean 'partition'"),
        ("slurm[minutes=two]", r"slurm\[minutes=two\]: write a whole number"),
        ("processes[memory=lots]", "^memory='lots'"),
        ("processes[cpus=0]", "cpus=0: give at least 1"),
    ],
)
def test_what_cannot_be_read_is_quoted_with_the_mend(text, message):
    with pytest.raises(InvalidParameterError, match=message):
        get_executor(text)
