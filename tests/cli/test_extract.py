"""`repscape extract`, `inspect`, and `compare` of two models on data."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from installed import COMMAND

import repscape as package
from repscape.store import Store

pytest.importorskip("transformers", reason="needs the hub extra")

from tiny_models import SENTENCES, saved


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {kind: saved(root, kind) for kind in ("gpt2", "bert")}


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "texts.jsonl"
    rows = [
        {
            "id": f"s{k}",
            "text": " ".join(SENTENCES[k % 5].split()[: 2 + k % 7]) + f" {w}",
            "label": k % 2,
        }
        for k, w in enumerate(["fast", "far", "big", "not", "very", "the", "ran", "on"] * 4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"jsonl:{path}"


def test_into_a_store_then_found_again(repscape, models, texts, tmp_path):
    ask = ["extract", "--model", models["gpt2"], "--data", texts, "-l", "block.*,final_norm"]
    ask += ["-p", "mean", "-p", "last_token", "--store", tmp_path / "store", "--json"]
    done = repscape(*ask)
    assert done.code == 0
    made = json.loads(done.out)["made"]
    assert [(row["layer"], row["pooling"]) for row in made] == [
        (layer, pooling)
        for layer in ("block.0", "block.1", "block.2", "final_norm")
        for pooling in ("mean", "last_token")
    ]
    assert {(row["n"], row["d"], row["dtype"], row["state"]) for row in made} == {
        (32, 16, "float32", "made")
    }
    again = json.loads(repscape(*ask).out)["made"]
    assert {row["state"] for row in again} == {"found"}
    assert [row["key"] for row in again] == [row["key"] for row in made]
    stored = Store(tmp_path / "store").load_representation(made[0]["key"])
    direct = package.extract(str(models["gpt2"]), package.load_data(texts), "block.0")["block.0"]
    np.testing.assert_array_equal(stored.values, direct.values)
    assert stored.labels.tolist() == direct.labels.tolist()


def test_into_a_folder_of_files_that_compare_reads(repscape, models, texts, tmp_path):
    out = tmp_path / "reps"
    done = repscape("extract", "--model", models["bert"], "--data", texts, "-o", out)
    assert done.code == 0
    header, *lines = (line.split("\t") for line in done.out.splitlines())
    assert header == ["layer", "pooling", "n", "d", "dtype", "MB", "state", "file"]
    # By default the layers that lie in no other one.
    assert [line[0] for line in lines] == ["embeddings", "block.0", "block.1", "block.2"]
    assert sorted(p.name for p in out.iterdir()) == [
        "block.0.npz",
        "block.1.npz",
        "block.2.npz",
        "embeddings.npz",
    ]
    rep = package.load(out / "block.1.npz")
    assert rep.sample_ids.tolist() == [f"s{k}" for k in range(32)]
    assert rep.labels.tolist() == [k % 2 for k in range(32)]
    scored = repscape("compare", out / "block.1.npz", out / "block.2.npz", "--json")
    assert json.loads(scored.out)["scores"][0]["n"] == 32


def test_files_of_other_data_are_never_overwritten(repscape, models, texts, tmp_path):
    out = tmp_path / "reps"
    ask = ["extract", "--model", models["gpt2"], "--data", texts, "-o", out, "-l"]
    assert repscape(*ask, "block.1").code == 0
    before = (out / "block.1.npz").read_bytes()
    with np.load(out / "block.1.npz") as arrays:
        origin = json.loads(str(arrays["origin"]))
    assert (origin["layer"], origin["pooling"]) == ("block.1", "mean")
    assert origin["model_revision"]
    assert origin["data_revision"]
    other = repscape(*ask, "block.0,block.1", "--first", "5")
    assert other.code == 2
    assert "block.1.npz holds" in other.err
    assert "give another folder" in other.err
    assert (out / "block.1.npz").read_bytes() == before
    assert not (out / "block.0.npz").exists()  # nothing is written beside it
    assert repscape(*ask, "block.*").code == 0  # the same again, and what was missing
    np.savez(out / "block.0.npz", values=np.ones((3, 2)))
    foreign = repscape(*ask, "block.0")
    assert foreign.code == 2
    assert "does not say where it comes from" in foreign.err


@pytest.mark.slow
def test_two_processes_write_the_bytes_of_one_and_give_its_scores(
    repscape, models, texts, tmp_path
):
    ask = ["extract", "--model", models["gpt2"], "--data", texts, "-l", "block.*", "--json"]
    one = json.loads(repscape(*ask, "--store", tmp_path / "one").out)["made"]
    two = json.loads(repscape(*ask, "--store", tmp_path / "two", "--devices", "cpu,cpu").out)[
        "made"
    ]
    assert [row["key"] for row in two] == [row["key"] for row in one]
    ask = ["compare", models["gpt2"], models["bert"], "--data", texts, "-l", "block.*", "--json"]
    single = repscape(*ask, "--store", tmp_path / "one", "--device", "cpu")
    both = repscape(*ask, "--store", tmp_path / "two", "--devices", "cpu,cpu")
    assert (both.code, len(json.loads(both.out)["scores"])) == (0, 9)
    assert json.loads(both.out)["scores"] == json.loads(single.out)["scores"]
    shards = [
        sorted((path.name, path.read_bytes()) for path in (tmp_path / name).rglob("*.safetensors"))
        for name in ("one", "two")
    ]
    assert len(shards[0]) == 8  # three blocks and a trace of each model
    assert shards[0] == shards[1]
    computed = Store(tmp_path / "two").keys("representation")
    devices = {Store(tmp_path / "two").manifest(key).beside["device"] for key in computed}
    assert devices == {"cpu,cpu"}


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(repscape, models, tmp_path):
    path, store = tmp_path / "many.csv", tmp_path / "store"
    path.write_text("text\n" + "the big dog ran far away\n" * 1_500)
    ask = ["extract", "--model", models["gpt2"], "--data", f"csv:{path}", "-l", "block.*"]
    ask += ["--store", store, "--shard-rows", 64]
    run = subprocess.Popen(
        [COMMAND, *map(str, ask)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored in background jobs
    )
    while len(list(store.rglob("shard-*.json"))) < 6:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    kept = sum(Store(store).unfinished("representation").values())
    shards = f"{kept} full shards of 3 layers are kept in {store}"
    assert said == f"interrupted: {shards}; the same call or command goes on after them\n"
    again = repscape(*ask, "--json")
    assert {row["state"] for row in json.loads(again.out)["made"]} == {"resumed"}
    assert f"resumed: {kept} of 72 shards were there, the rest was computed" in again.err


def test_subsets_bad_samples_and_cut_texts_are_told(repscape, models, tmp_path):
    path = tmp_path / "t.csv"
    long = " ".join(["the"] * 60)
    rows = [f"s{k},{'' if k == 2 else long if k == 5 else 'the cat sat'},{k % 2}" for k in range(9)]
    path.write_text("id,text,label\n" + "\n".join(rows) + "\n")
    ask = ["extract", "--model", models["gpt2"], "--data", f"csv:{path}", "-l", "block.2"]
    stopped = repscape(*ask, "--store", tmp_path / "a")
    assert stopped.code == 2
    assert f"error: sample 's2' of csv:{path}" in stopped.err
    assert "on_error='skip' (--on-error skip) leaves such samples out" in stopped.err
    skipped = repscape(*ask, "--store", tmp_path / "a", "--on-error", "skip", "--json")
    assert json.loads(skipped.out)["made"][0]["n"] == 8
    assert "skipped: sample 's2' of csv:t.csv" in skipped.err
    assert "truncated: 1 of 8 were longer than the context" in skipped.err
    pair = ["compare", models["gpt2"], models["gpt2"], "--data", f"csv:{path}", "-l", "block.2"]
    listed = {
        (): "1 of 9 samples were left out: sample 's2'",
        ("--store", tmp_path / "a"): "skipped: sample 's2'",
    }
    for store, said in listed.items():
        compared = repscape(*pair, "--on-error", "skip", "--json", *store)
        assert json.loads(compared.out)["scores"][0]["n"] == 8
        assert said in compared.err
        assert "Warning" not in compared.err
    few = repscape(*ask, "--store", tmp_path / "a", "--first", 2, "--json")
    assert json.loads(few.out)["made"][0]["n"] == 2
    drawn = repscape(
        *ask, "--store", tmp_path / "a", "--per-class", 3, "--on-error", "skip", "--json"
    )
    assert json.loads(drawn.out)["made"][0]["n"] in (5, 6)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "give --store FOLDER or --out FOLDER"),
        (["--store", "s", "--data-option", "split"], "write NAME=VALUE"),
        (["--store", "s", "--data-option", "splt=x"], "no option 'splt': did you mean 'split'"),
        (["--store", "s", "--first", "1", "--random", "2"], "first and random given"),
        (["--store", "s", "-p", "meen"], "did you mean 'mean'"),
        (["--store", "s", "-l", "blok.*"], "'blok.*' matches nothing"),
    ],
)
def test_wrong_use_is_one_message(repscape, models, texts, extra, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = repscape("extract", "--model", models["gpt2"], "--data", texts, *extra)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_one_message(repscape, models, texts, tmp_path):
    ask = ["extract", "--model", models["gpt2"], "--data", texts, "--store", tmp_path]
    for option in ("device", "devices"):
        done = repscape(*ask, f"--{option}", "cuda:3")
        assert done.code == 2
        assert f"{option}='cuda:3': this machine has no GPU that torch can use" in done.err
    with pytest.raises(package.errors.InvalidParameterError, match="device='cuda:3'"):
        package.extract(torch.nn.Sequential(torch.nn.Linear(2, 2)), [], device="cuda:3")


def test_inspect_shows_modules_with_canonical_names_and_shapes(repscape, models):
    done = repscape("inspect", models["gpt2"], "--json")
    assert done.code == 0
    told = json.loads(done.out)
    layers = {info["name"]: info for info in told["layers"]}
    assert (told["modality"], told["dtype"]) == ("text", "float32")
    assert layers["h.1"]["aliases"] == ["block.1"]
    assert layers["h.0"]["aliases"] == ["embeddings (its input)", "block.0"]
    assert layers["h.1"]["shape"][1] == 16
    assert layers["h.1"]["parameters"] == 3280  # 4·16² + 4·16 + 2·16·64 + 64 + 16 + 4·16
    assert (layers["h"]["calls"], layers["h"]["shape"]) == (0, None)
    table = repscape("inspect", models["gpt2"], "--depth", "1")
    names = [line.split("\t")[0] for line in table.out.splitlines()[1:]]
    assert names == ["wte", "wpe", "drop", "h", "h.0", "h.1", "h.2", "ln_f"]
    assert "takes text, float32, revision" in table.err


def test_inspect_with_a_sample_of_data(repscape, models, texts):
    done = repscape("inspect", models["bert"], "--data", texts, "--json")
    (shape,) = {
        tuple(info["shape"])
        for info in json.loads(done.out)["layers"]
        if info["aliases"] == ["block.2"]
    }
    assert shape == (len(["the", "cat", "fast"]) + 2, 16)  # with its two special tokens


def test_compare_two_models_in_one_command(repscape, models, texts, tmp_path):
    ask = ["compare", models["gpt2"], models["bert"], "--data", texts, "-m", "cka", "-m", "rsa"]
    done = repscape(*ask, "--json")
    assert done.code == 0
    scores = json.loads(done.out)["scores"]
    data = package.load_data(texts)
    x = package.extract(str(models["gpt2"]), data, "final_norm")["final_norm"]
    y = package.extract(str(models["bert"]), data, "block.2")["block.2"]
    for score, name in zip(scores, ("cka", "rsa"), strict=True):
        assert score["value"] == pytest.approx(package.compare(x, y, name).value, rel=1e-9)
    pairs = repscape(*ask[:5], "-l", "block.*", "--first", "20", "--store", tmp_path / "s")
    header, *rows = (line.split("\t") for line in pairs.out.splitlines())
    assert header == ["layer_a", "layer_b", "measure", "value", "kind", "n"]
    blocks = [f"block.{i}" for i in range(3)]
    assert [row[:2] for row in rows] == [[a, b] for a in blocks for b in blocks]
    assert {row[-1] for row in rows} == {"20"}


def test_compare_a_model_with_a_file_and_with_itself(repscape, models, texts, tmp_path):
    out = tmp_path / "reps"
    repscape("extract", "--model", models["gpt2"], "--data", texts, "-l", "block.1", "-o", out)
    ask = ["--data", texts, "-l", "block.1", "-m", "procrustes", "--json"]
    done = repscape("compare", out / "block.1.npz", models["gpt2"], *ask)
    assert json.loads(done.out)["scores"][0]["value"] == pytest.approx(0, abs=1e-6)
    twice = repscape("compare", models["gpt2"], models["gpt2"], *ask)
    half = repscape("compare", *[models["gpt2"]] * 2, *ask, "--model-option", "dtype=bflot16")
    assert (half.code, "did you mean 'bfloat16'" in half.err) == (2, True)
    assert json.loads(twice.out)["scores"][0]["value"] == pytest.approx(0, abs=1e-6)
    for name in (models["gpt2"], "hf:gpt2"):
        without = repscape("compare", name, out / "block.1.npz")
        assert without.code == 2
        assert f"{name} is " in without.err
        assert "give the data that they are shown, e.g. --data" in without.err
    few = tmp_path / "few"
    repscape("extract", "--model", models["gpt2"], *ask[:4], "--first", 5, "-o", few)
    files = out / "block.1.npz", few / "block.1.npz"
    other = repscape("compare", *files)
    assert (other.code, f"{files[0]} has 32 samples and {files[1]} has 5" in other.err) == (2, True)
    alone = ["compare", out / "block.1.npz", out / "block.1.npz"]
    for extra in (["-l", "block.1"], ["--devices", "cpu,cpu:0"]):
        refused = repscape(*alone, *extra)
        assert (refused.code, "give --data" in refused.err) == (2, True)
