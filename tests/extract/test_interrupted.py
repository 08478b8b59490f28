from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from interrupted_run import LAYERS, SAMPLES, SHARD_ROWS, run
from toy_networks import Blocks, build, vectors

from repscape.errors import InvalidParameterError, InvalidRepresentationError
from repscape.extract.extract import extract
from repscape.store import Store

CODE = "import interrupted_run; interrupted_run.main()"
SIZE = 6  # does not divide the shard of 16 rows, so batches straddle shards


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def start(store, log, delay, *stop_after):
    log.touch()
    arguments = [store, log, SIZE, delay, *stop_after]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *map(str, arguments)],
        cwd=Path(__file__).parent,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored in background jobs
    )


def passes(log):
    return len(log.read_text().splitlines())


def wait_for_passes(process, log, count):
    while passes(log) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)


def contents(store):
    """The bytes of every data file of every artefact."""
    files = sorted(p for p in Path(store).rglob("*.safetensors"))
    return {str(p.relative_to(store)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    torch.set_num_threads(1)
    representations = run(folder / "store", folder / "log", SIZE)
    assert [rep.n for rep in representations] == [SAMPLES] * len(LAYERS) + [SAMPLES * 9]
    return contents(folder / "store"), passes(folder / "log")


# One batch more than a shard of one layer: 16 rows of means, 100 rows of pixels.
MOST_REPEATED = {"means": -(-SHARD_ROWS // SIZE) + 1, "pixels": -(-100 // (9 * SIZE)) + 1}


@pytest.mark.parametrize("stop_after", [1, 13, 22, 33])
def test_ctrl_c_in_the_middle_of_the_model_loses_at_most_a_shard(
    tmp_path, uninterrupted, stop_after
):
    store, log = tmp_path / "store", tmp_path / "log"
    process = start(store, log, 0.0, stop_after)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT, errors
    assert "KeyboardInterrupt" in errors
    assert passes(log) == stop_after
    run(store, log, SIZE)
    assert contents(store) == uninterrupted[0]
    assert passes(log) - uninterrupted[1] <= max(MOST_REPEATED.values())
    assert Store(store).verify() == []


@pytest.mark.slow
def test_killed_again_and_again_at_random_moments(tmp_path, uninterrupted):
    store, log = tmp_path / "store", tmp_path / "log"
    draws = np.random.default_rng(0)
    kills, done = 0, 0
    while kills < 4:
        process = start(store, log, 0.02)
        wait_for_passes(process, log, done + int(draws.integers(4, 9)))
        time.sleep(float(draws.uniform(0, 0.03)))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        kills, done = kills + 1, passes(log)
    run(store, log, SIZE)
    assert contents(store) == uninterrupted[0]
    assert passes(log) - uninterrupted[1] <= kills * max(MOST_REPEATED.values())


def test_two_processes_that_extract_the_same_into_one_store(tmp_path, uninterrupted):
    store = tmp_path / "store"
    processes = [start(store, tmp_path / f"log{i}", 0.01 + 0.005 * i) for i in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert contents(store) == uninterrupted[0]
    assert Store(store).verify() == []


def half_done(tmp_path, counts, size=4):
    """An extraction of 40 samples that was interrupted after 24, in shards of 8."""
    network = build(Blocks, counts=counts)
    store = Store(tmp_path)

    def stop(done, total):
        if done >= 24:
            raise KeyboardInterrupt

    arguments = {"store": store, "data_revision": "r", "shard_rows": 8}
    with pytest.raises(KeyboardInterrupt) as stopped:
        extract(network, vectors(40, size), "*", **arguments, progress=stop)
    layers = len(store.unfinished("representation"))
    (said,) = stopped.value.__notes__
    assert said.startswith(f"{3 * layers} full shards of {layers} layers are kept in {tmp_path}")
    counts.clear()
    return network, arguments


def test_full_shards_are_not_computed_again(tmp_path):
    counts = Counter()
    network, arguments = half_done(tmp_path, counts)
    got = extract(network, iter(vectors(40, 4)), "*", **arguments)
    assert counts["head"] == 4  # of ten batches, six were done
    whole = extract(network, vectors(40, 4), "*")
    for name, rep in got.items():
        np.testing.assert_array_equal(rep.values, whole[name].values)
        assert rep.sample_ids.tolist() == whole[name].sample_ids.tolist()


def test_other_samples_in_the_rows_that_are_done_are_noticed(tmp_path):
    counts = Counter()
    network, arguments = half_done(tmp_path, counts)
    batches = vectors(40, 4)
    batches[1][0][2] = "other"
    with pytest.raises(
        InvalidRepresentationError, match=r"row 6 is stored as sample 's6'.*'other'"
    ):
        extract(network, batches, "*", **arguments)
    assert not counts


def test_other_batches_would_give_other_bits_and_are_refused(tmp_path):
    network, arguments = half_done(tmp_path, Counter())
    with pytest.raises(InvalidParameterError, match=r"24 rows, in batches of 4 samples.*have 5"):
        extract(network, vectors(40, 5), "*", **arguments)


def test_before_the_first_shard_the_batches_may_change(tmp_path):
    network = build(Blocks)
    arguments = {"store": Store(tmp_path), "data_revision": "r", "shard_rows": 100}

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(network, vectors(40, 20), "head", **arguments, progress=stop)
    rep = extract(network, vectors(40, 5), "head", **arguments)["head"]
    np.testing.assert_array_equal(
        rep.values, extract(network, vectors(40, 5), "head")["head"].values
    )
    steps = arguments["store"].manifest(rep.key).beside["plan"]
    assert steps[-1] == {"from_row": 0, "plan": {"batch_samples": 5}}
