"""What extraction costs: peak memory at n = 1,000 and 100,000, and time beside bare forward passes.

    python benchmarks/extraction.py memory     # each n in a process of its own
    python benchmarks/extraction.py time       # ratios of processor time, interleaved, one thread

Memory grows by the ids alone, which stand in it once, for the data and all layers together.
Samples are made from their row numbers, so that nothing but the extraction holds any.
Four layers of 256 features are streamed into a store in shards of 1,000 rows; the peak is that of
the whole process.
Time: a GPT-2 of 6 blocks, d = 256, with random weights, on texts of 8 to 96 words. The bare
passes are the same batches, tokenized and padded beforehand, through the same module.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")

FEATURES, WIDTH, LAYERS = 64, 256, 4
SIZES = (1_000, 100_000)
TEXTS, REPEATS = 512, 7
SPECIAL = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


class Made:
    """Reads a sample that is made from its row number."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, row: int) -> np.ndarray:
        return np.random.default_rng(row).standard_normal(FEATURES, dtype=np.float32)


def extract_made(n: int, ids: str, folder: str) -> dict[str, float]:
    """Extract n made samples into a store; return the peak memory in bytes."""
    import torch
    from torch import nn

    import repscape
    from repscape.data.source import DataSource

    torch.set_num_threads(1)
    torch.manual_seed(0)
    blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU()) for _ in range(LAYERS)]
    network = nn.Sequential(nn.Linear(FEATURES, WIDTH), *blocks)
    numbers = np.arange(n)
    given = numbers if ids == "numbers" else np.char.mod("made/%07d", numbers)
    data = DataSource("made", given, {"array": Made(n)}, lambda: "1", labels=np.arange(n) % 10)
    layers = [str(k) for k in range(1, LAYERS + 1)]
    store = repscape.Store(folder)
    found = repscape.extract(network, data, layers, store=store, shard_rows=SIZES[0])
    assert all(rep.values.shape == (n, WIDTH) for rep in found.values())
    return {"n": n, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def memory() -> None:
    """Print the peak of each size, and their ratio."""
    for ids in ("numbers", "text"):
        peaks = []
        for n in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, __file__, "one", str(n), ids, folder]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(json.loads(done.stdout.splitlines()[-1])["peak"])
            sizes = f"peak {peaks[-1] / 2**20:.0f} MiB, stored {n * WIDTH * LAYERS / 2**18:.0f} MiB"
            print(f"ids are {ids}, n = {n:>7,}: {sizes}", flush=True)
        print(f"ids are {ids}: ratio of the peaks {peaks[-1] / peaks[0]:.3f}", flush=True)


def timing() -> None:
    """Print the processor time of extraction over that of bare forward passes."""
    import torch
    import transformers as tr

    import repscape
    from repscape.extract.sampled import SampleFeed
    from repscape.extract.windows import passes

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "extract"))
    from concurrent.futures import ThreadPoolExecutor

    from tiny_models import WORDS, tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    draws = np.random.default_rng(0)
    texts = [" ".join(draws.choice(WORDS, draws.integers(8, 97))) for _ in range(TEXTS)]
    data = repscape.load_data(enumerate(texts))
    config = tr.GPT2Config(
        n_embd=256, n_layer=6, n_head=4, n_positions=128, vocab_size=32, **SPECIAL
    )
    with tempfile.TemporaryDirectory() as folder:
        tr.GPT2LMHeadModel(config).save_pretrained(folder)
        words = tokenizer("gpt2")
        words.model_max_length = 128
        words.save_pretrained(folder)
        model = repscape.load_model(folder)
        with ThreadPoolExecutor(1) as pool:
            feed = SampleFeed(model, data, 64, pool)
            (window,) = feed.windows(feed.plan(), 4096)
            batches = [batch.inputs for batch in passes(window.prepare(), 64)]

        def bare() -> None:
            with torch.no_grad():
                for inputs in batches:
                    model.module(**inputs)

        def blocks(store: str) -> None:
            repscape.extract(model, data, ["embeddings", "block.*"], store=repscape.Store(store))

        def everything(store: str) -> None:
            repscape.extract(model, data, ["wte", "h.*"], store=repscape.Store(store))

        bare()
        once: list[float] = []
        times: dict[str, list[float]] = {"all blocks": [], "all submodules": []}
        for _ in range(REPEATS):
            once.append(processor_time(bare))
            for name, run in zip(times, (blocks, everything), strict=True):
                with tempfile.TemporaryDirectory() as store:
                    times[name].append(processor_time(partial(run, store)))
        for name, found in times.items():
            ratios = np.sort(np.divide(found, once))
            print(
                f"{name}: {min(found) / min(once):.3f} of the bare passes, each at its fastest of "
                f"{REPEATS}; ratios of neighbours {ratios[0]:.3f} … {ratios[-1]:.3f}, "
                f"median {np.median(ratios):.3f}"
            )


def processor_time(run: Callable[[], object]) -> float:
    """Seconds of processor time of all threads of this process."""
    start = time.process_time()
    run()
    return time.process_time() - start


if __name__ == "__main__":
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "one":
        print(json.dumps(extract_made(int(sys.argv[2]), *sys.argv[3:])))
    elif what == "memory":
        memory()
    elif what == "time":
        timing()
    else:
        memory()
        timing()
