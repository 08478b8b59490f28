"""Segments are encoded once for each model, tokenizer and text."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
from tiny_models import saved

import repscape
from repscape.extract.encode import encode
from repscape.extract.segments import encode_segment
from repscape.store import Store


def test_a_kept_segment_runs_no_forward_pass(tmp_path):
    folder = saved(tmp_path, "gpt2")
    store = Store(tmp_path / "store")
    asked = (["block.0", "block.2"], ["mean", "none"])
    passes = []

    def counted(text, **options):
        model = repscape.load_model(f"hf:{folder}", device="cpu", **options)
        model.layers()  # which runs the model once to find them
        hook = model.module.register_forward_pre_hook(lambda *_: passes.append(text))
        try:
            return encode_segment(model, text, *asked, store)
        finally:
            hook.remove()

    first = counted("the cat sat")
    assert passes == ["the cat sat"]
    again = counted("the cat sat")
    assert passes == ["the cat sat"]
    direct = encode(repscape.load_model(f"hf:{folder}", device="cpu"), ["the cat sat"], *asked)
    assert list(first) == list(again) == list(direct)
    for name, rows in direct.items():
        np.testing.assert_array_equal(again[name].values, rows.values)
        np.testing.assert_array_equal(again[name].counts, rows.counts)
        assert again[name].columns.keys() == rows.columns.keys()
    counted("the dog ran")
    counted("the cat sat", max_length=7)
    counted("the cat sat", pretrained=False)
    assert len(passes) == 4


def test_another_tokenizer_is_another_segment(tmp_path):
    first = saved(tmp_path / "one", "gpt2")
    second = tmp_path / "two"
    shutil.copytree(first, second)
    assert _key(first) == _key(second)
    description = second / "tokenizer.json"
    tokenizer = json.loads(description.read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Lowercase"}
    description.write_text(json.dumps(tokenizer), encoding="utf-8")
    assert _key(first) != _key(second)


def _key(folder):
    return repscape.load_model(f"hf:{folder}", device="cpu").segment_key("The cat sat")


def test_two_processes_at_once_keep_one_segment(tmp_path):
    folder, root = saved(tmp_path, "gpt2"), tmp_path / "store"
    code = (
        "import sys, repscape\n"
        "from repscape.extract.segments import encode_segment\n"
        "from repscape.store import Store\n"
        "model = repscape.load_model('hf:' + sys.argv[1], device='cpu')\n"
        "rows = encode_segment(model, 'the cat sat', ['block.0'], ['mean'], Store(sys.argv[2]))\n"
        "print(rows['block.0', 'mean'].values.tobytes().hex())\n"
    )
    command = [sys.executable, "-c", code, str(folder), str(root)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0].splitlines()[-1] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert said[0] == said[1]
    assert len(list(root.rglob("manifest.json"))) == 1
