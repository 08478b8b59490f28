"""Commands named like SLURM's that run jobs as processes, and fail when a test says so.

A real SLURM of one node cannot lose a node, refuse a job for a while or lose its controller.
What happens is said by files in the folder of the commands: see `StandIns`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_SBATCH = """
import os, re, subprocess, sys
from pathlib import Path
here = Path(__file__).parent
if sys.argv[1] == "--test-only":
    closed = here / "closed"
    sys.exit("sbatch: error: " + closed.read_text() if closed.exists() else 0)
refusals = here / "refusals"
left = int(refusals.read_text()) if refusals.exists() else 0
if left:
    refusals.write_text(str(left - 1))
    sys.exit("sbatch: error: " + (here / "words").read_text())
script = Path(sys.argv[1]).read_text()
with (here / "submitted").open("a") as log:
    log.write((re.findall(r"--array=(\\S+)", script) or ["1"])[0] + "\\n")
number = len((here / "submitted").read_text().split())
array = re.search(r"--array=0-(\\d+)%", script)
names = [f"{number}_{i}" for i in range(int(array[1]) + 1)] if array else [str(number)]
lost = here / "lost"
if lost.exists():
    lost.unlink()  # the node takes these jobs with it
else:
    for name in names:
        environment = {**os.environ, "SLURM_JOB_ID": name, "SLURM_NTASKS": "1"}
        if "_" in name:
            job, _, index = name.partition("_")
            environment |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": index}
        job = subprocess.Popen(
            ["bash", sys.argv[1]], env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        (here / "jobs" / name).write_text(str(job.pid))
print(f"Submitted batch job {number}")
"""
_SQUEUE = """
import os, sys
from pathlib import Path
here = Path(__file__).parent
silent = here / "silent"
left = int(silent.read_text()) if silent.exists() else 0
if left:
    silent.write_text(str(left - 1))
    sys.exit("slurm_load_jobs error: Unable to contact slurm controller")
for job in (here / "jobs").iterdir():
    try:
        state = Path(f"/proc/{job.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        continue
    if state != "Z":
        print(job.name, "None")
"""
_SRUN = """
import os, sys
at = next(i for i, word in enumerate(sys.argv[1:], 1) if "python" in word and word[0] == "/")
os.environ.update(SLURM_PROCID="0", SLURM_LOCALID="0")
os.execv(sys.argv[at], sys.argv[at:])
"""
_SCONTROL = """
from pathlib import Path
print("MaxArraySize            = " + (Path(__file__).parent / "limit").read_text())
"""
_SCANCEL = """
import os, signal, sys
from pathlib import Path
for name in sys.argv[1:]:
    try:
        os.killpg(int((Path(__file__).parent / "jobs" / name).read_text()), signal.SIGKILL)
    except (OSError, ValueError):
        pass
"""


@dataclass(frozen=True)
class StandIns:
    """A folder of commands for PATH, and what is to go wrong with them."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, array_limit: int = 1001) -> StandIns:
        (folder / "jobs").mkdir(parents=True)
        (folder / "limit").write_text(str(array_limit))
        (folder / "submitted").touch()
        sources = {
            "sbatch": _SBATCH,
            "squeue": _SQUEUE,
            "srun": _SRUN,
            "scontrol": _SCONTROL,
            "scancel": _SCANCEL,
        }
        for name, source in sources.items():
            (folder / name).write_text(f"#!{sys.executable} -S\n{source}")
            (folder / name).chmod(0o755)
        return cls(folder)

    def refuse(self, times: int, words: str) -> None:
        """The next submissions are refused with these words."""
        (self.folder / "words").write_text(words)
        (self.folder / "refusals").write_text(str(times))

    def close_site(self, words: str) -> None:
        """No job would be taken, for this reason."""
        (self.folder / "closed").write_text(words)

    def lose_next(self) -> None:
        """The next submission is accepted, but its node is lost at once."""
        (self.folder / "lost").touch()

    def silence(self, times: int) -> None:
        """The controller does not answer squeue."""
        (self.folder / "silent").write_text(str(times))

    @property
    def arrays(self) -> list[str]:
        """The `--array` of every submission, `1` for a single job."""
        return (self.folder / "submitted").read_text().split()
