"""Segments are encoded once for each model, tokenizer and text."""

from __future__ import annotations

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
