"""A hub that answers, refuses, is not there, or never answers: by a server on this machine.

The client runs in a process of its own with HF_ENDPOINT and HF_HOME, as a user's does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import open_clip
import pytest
import sentence_transformers
import timm
from local_hub import COMMIT, black_hole, closed_port, hub
from safetensors.torch import save_file
from tiny_models import OPEN_CLIP, saved

import repscape
from repscape.extract.encode import encode

_PATIENCE_SECONDS = 120  # nothing may hang; it takes five


def asked_of(endpoint: str, home: Path, *names: str) -> dict:
    """What loading each `way|name` gave in a fresh process."""
    here = Path(__file__).parents[1]
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")},
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, str(here / "asked_of_a_hub.py"), *names],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def saved_for_others(root: Path, transformer: Path) -> dict[str, str]:
    """Small models of the other libraries, as they save them; what is asked, and the revision."""
    small = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
    network = timm.create_model("vit_tiny_patch16_224", **small)
    timm.models.save_for_hf(network, root / "timm", model_args=small, safe_serialization=True)
    encoder = sentence_transformers.SentenceTransformer(str(transformer), device="cpu")
    encoder.save(str(root / "sentence"))
    (root / "open_clip").mkdir()
    (root / "open_clip" / "tiny-clip.json").write_text(json.dumps(OPEN_CLIP))
    open_clip.add_model_config(root / "open_clip" / "tiny-clip.json")
    state = open_clip.create_model("tiny-clip").state_dict()
    contiguous = {name: one.contiguous() for name, one in state.items()}
    save_file(contiguous, root / "open_clip" / "open_clip_model.safetensors")
    return {
        "loaded|timm:hf-hub:tiny/timm": COMMIT,
        "loaded|sentence-transformers:tiny/sentence": COMMIT,
        "loaded|open_clip:tiny-clip/tiny@text": f"{COMMIT} tiny-clip",
    }


@pytest.mark.slow
def test_a_hub_that_answers_refuses_and_goes_away(tmp_path):
    root, home = tmp_path / "hub", tmp_path / "home"
    folder = saved(root, "gpt2")
    rows = encode(repscape.load_model(f"hf:{folder}", device="cpu"), ["the cat sat"], "block.0")
    loaded = [COMMIT, rows["block.0", "mean"].values.tolist()]
    others = saved_for_others(root, folder)
    revision, model = "revision|hf:tiny/gpt2", "model|hf:tiny/gpt2"
    refused = {
        "revision|hf:gated/gpt2": "it is gated: accept its terms on the hub and log in",
        "model|hf:gated/gpt2": "it is gated: accept its terms on the hub and log in",
        "model|hf:awaiting/gpt2": "it is gated: accept its terms on the hub and log in",
        "model|timm:hf-hub:gated/gpt2": "it is gated: accept its terms",
        "model|sentence-transformers:gated/gpt2": "it is gated: accept its terms",
        "model|hf:tiny/nothing": "the hub has no such model or revision (or it is private)",
        "data|hf:gated/gpt2": "it is gated or private (log in with",
    }
    with hub(root) as (address, requests):
        first = asked_of(address, home, revision)
        assert first[revision] == COMMIT
        assert not [one for one in requests if "safetensors" in one]
        found = asked_of(address, home, *refused, model, *others)
        assert found[model] == loaded
    for name, stated in others.items():  # found by the name alone, and of the loaded model
        assert found[name] == [stated, stated]
    for name, message in refused.items():
        kind = "UnreadableFileError" if name.startswith("data") else "UnavailableModelError"
        assert found[name]["error"] == kind
        assert message in found[name]["message"]
    unknown = {"model|hf:tiny/other": "the hub cannot be reached", "data|hf:a/b": "local cache"}
    with black_hole() as silent:
        for address in (closed_port(), silent):
            found = asked_of(address, home, revision, model, *unknown)
            assert found[revision] == COMMIT
            assert found[model] == loaded
            for name, message in unknown.items():
                assert message in found[name]["message"]
