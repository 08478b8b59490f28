"""`repscape describe` and `repscape profile`."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from repscape.describe import describe


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.npy"
    np.save(path, np.arange(60) % 3)
    return path


@pytest.fixture
def layers(tmp_path):
    random = np.random.default_rng(0)
    z = random.normal(size=(80, 8))
    arrays = {f"l{i}": z[:, :d] @ random.normal(size=(d, 10)) for i, d in enumerate((2, 8, 4, 3))}
    np.savez(tmp_path / "model.npz", **arrays)
    return [f"{tmp_path / 'model.npz'}::{name}" for name in arrays]


def test_values_with_errors_and_scales(repscape, files):
    done = repscape("describe", files / "x.npy", "-d", "twonn", "-d", "gride[scale=4]")
    assert done.code == 0
    header, first, second = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["descriptor", "value", "± error", "scale", "by chance", "n"]
    row = describe(np.load(files / "x.npy"), "twonn").values.iloc[0]
    assert first[1] == f"{row['value']:.6g}"
    assert first[3] == "60 samples"
    assert second[3] == "4 neighbour rank"


def test_whole_curves_and_json(repscape, files):
    done = repscape("describe", files / "x.npy", "-d", "gride", "--curve", "--json")
    rows = json.loads(done.out)["descriptors"]
    assert [row["scale"] for row in rows] == [2, 4, 8, 16, 32]
    assert sum(row["chosen"] for row in rows) == 1
    assert rows[0]["reason"] is None


def test_labels_from_files(repscape, files, labels, tmp_path):
    done = repscape("describe", files / "x.npy", "-d", "label_overlap", "--labels", labels)
    assert done.code == 0
    text = tmp_path / "labels.txt"
    text.write_text("\n".join("abc"[i % 3] for i in range(60)) + "\n")
    assert repscape("describe", files / "x.npy", "-d", "label_overlap", "-l", text).out == done.out
    missing = repscape(
        "describe", files / "x.npy", "-d", "label_overlap", "-l", tmp_path / "no.npy"
    )
    assert missing.code == 2
    assert "there is no such file" in missing.err


def test_everything(repscape, files, labels):
    done = repscape("describe", files / "x.npy", "--all", "-l", labels)
    assert done.code == 0
    assert len(done.out.splitlines()) > 12
    assert "no value for" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x.npy", "-d", "label_overlap"), "labels"),
        (("x.npy", "-d", "twon"), "did you mean 'twonn'"),
        (("constant.npy", "-d", "twonn"), "all 60 samples have the same values"),
        (("nan.npy", "-d", "twonn"), "row 3, feature 2"),
        (("constant.npy", "-d", "twonn", "--duplicates", "error"), "row 1 equals row 0"),
    ],
)
def test_problems_are_told(repscape, files, arguments, message):
    done = repscape("describe", files / arguments[0], *arguments[1:])
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_profile(repscape, layers):
    done = repscape("profile", *layers, "-d", "twonn")
    assert done.code == 0
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["layer", "depth", "value", "mark"]
    assert [row[0] for row in rows[1:]] == ["l0", "l1", "l2", "l3"]
    assert [row[1] for row in rows[1:]] == ["0.00", "0.33", "0.67", "1.00"]
    assert rows[2][3] == "peak"


def test_a_profile_as_tables_and_figures(repscape, layers, tmp_path):
    out = tmp_path / "out"
    measures = ("-m", "mutual_knn[k=5,metric=euclidean]", "-m", "information_imbalance")
    done = repscape("profile", *layers, "--control", "shuffled", *measures, "-o", out, "--json")
    assert done.code == 0
    assert len(json.loads(done.out)["profile"]) == 4
    stems = {"gride", "gride_scales", "mutual_knn"}
    stems |= {"information_imbalance", "information_imbalance_plane"}
    assert {path.stem for path in out.glob("*.png")} == stems
    assert {path.stem for path in out.glob("*.pdf")} == stems
    assert "What layers share" in (out / "report.html").read_text(encoding="utf-8")
    table = pd.read_parquet(out / "profile.parquet")
    assert set(table["control"].dropna()) == {"shuffled"}
    assert len(pd.read_parquet(out / "overlaps.parquet")) == 6 + 12


def test_several_descriptors_are_one_table_that_names_them(repscape, layers):
    done = repscape("profile", *layers, "-d", "twonn", "-d", "participation_ratio")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert rows[0] == ["descriptor", "layer", "depth", "value", "mark"]
    assert [row[0].partition("[")[0] for row in rows[1:]] == ["twonn"] * 4 + [
        "participation_ratio@1"
    ] * 4


def test_the_list_of_descriptors(repscape):
    done = repscape("describe", "--list")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert done.code == 0
    assert ["gride", "dimension", "neighbour rank", ""] in [row[:4] for row in rows]
    assert ["label_overlap", "label overlap", "neighbour rank", "needed"] in [
        row[:4] for row in rows
    ]
    assert len(json.loads(repscape("describe", "--list", "--json").out)) == len(rows) - 1
    assert "or --list" in repscape("describe").err


def test_an_untrained_twin(repscape, layers, tmp_path):
    twins = [argument for layer in layers for argument in ("--untrained", layer)]
    done = repscape("profile", *layers, *twins, "-d", "twonn", "-o", tmp_path / "out")
    assert done.code == 0
    table = pd.read_parquet(tmp_path / "out" / "profile.parquet")
    assert (table["control"] == "untrained").sum() == 4
    few = repscape("profile", *layers, *twins[:2], "-d", "twonn")
    assert few.code == 2
    assert "1 times for 4 layers" in few.err


def test_a_profile_of_nothing(repscape, tmp_path):
    done = repscape("profile")
    assert done.code == 2
    assert "--published FOLDER" in done.err
    done = repscape("profile", "--published", tmp_path)
    assert done.code == 2
    assert "imagenet_train_mus_S_dec32_cpt1000_rep4.npy" in done.err
