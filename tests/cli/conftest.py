"""Running the command line: in this process where quick, as the real command where it matters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from installed import COMMAND

from repscape.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """What a run of the command line leaves: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def repscape(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Run `repscape …` in this process."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["repscape", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        printed = capsys.readouterr()
        return Outcome(exit_.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def command() -> Callable[..., Outcome]:
    """Run the installed command in a process of its own."""

    def run(*arguments: str, cwd: Path | None = None, **environment: str) -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env={**os.environ, **environment},
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """A folder of representations of the same sixty samples, good and bad."""
    folder = tmp_path_factory.mktemp("representations")
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 12))
    np.save(folder / "x.npy", x)
    np.save(folder / "rotated.npy", 3.0 * x[:, ::-1] + 1.0)
    np.save(folder / "noisy.npy", x[:, :7] + random.normal(size=(60, 7)))
    np.save(folder / "constant.npy", np.ones((60, 3)))
    np.save(folder / "short.npy", x[:50])
    x_with_nan = x.copy()
    x_with_nan[3, 2] = np.nan
    np.save(folder / "nan.npy", x_with_nan)
    for name, ids in (("first", range(40)), ("second", range(20, 60))):
        rows = list(ids)
        np.savez(folder / f"{name}.npz", values=x[rows], sample_ids=np.asarray(rows))
    np.savez(folder / "several.npz", early=x, late=x[:, :3])
    np.save(folder / "objects.npy", np.asarray([[1], ["a"]], dtype=object), allow_pickle=True)
    return folder


@pytest.fixture(scope="session")
def scores(tmp_path_factory) -> Path:
    """A table of scores of four models, as `similarity_matrix` makes it."""
    from repscape.compare import similarity_matrix
    from repscape.representation import Origin, Representation

    random = np.random.default_rng(1)
    shared = random.normal(size=(30, 6))
    models = [
        Representation(
            shared + 0.3 * seed * random.normal(size=(30, 6)),
            origin=Origin(model=f"{kind}-{seed}", layer="out", tags={"architecture": kind}),
        )
        for kind in ("cnn", "mlp")
        for seed in (1, 2)
    ]
    path = tmp_path_factory.mktemp("tables") / "scores.parquet"
    similarity_matrix(models, "cka").table.to_parquet(path)
    return path
