"""The published study from Arrow exports with known answers, and from broken ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from published_exports import random_examples, write_export

from repscape.cli.run import missing_lines
from repscape.store import Store
from repscape.studies.builtin_studies import builtin_path
from repscape.studies.load import load_study
from repscape.studies.look import look
from repscape.studies.plan import plan_study
from repscape.studies.problems import Problems
from repscape.studies.run import StudyResult, run_study

N, WIDTH = 60, 24
SAME, TURNED, OTHER, CODE = "llama-7b", "mpt-7b", "opt-6.7b", "CodeLlama-7b-hf"
SHORT, BROKEN, NAMELESS = "bloom-7b1", "falcon-7b", "gpt-j-6b"
PROCRUSTES = "Pipeline(normalize_matrix_norm+orthogonal_procrustes{})"


def write_exports(root: Path) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(WIDTH, WIDTH)))
    for seed, data in enumerate(("winogrande", "openai_humaneval")):
        vectors, prompts = random_examples(N, WIDTH, seed)
        turned = [(2 * tokens @ rotation).astype(np.float32) for tokens in vectors]
        independent, others = random_examples(N, 2 * WIDTH, seed + 10)
        mixed = [0.5 * t[:3] + 0.5 * t[:3].mean() for t in vectors]
        cases = {
            SAME: (vectors, prompts),
            TURNED: (turned, prompts),
            OTHER: (independent, others),
            CODE: (mixed, [min(p, 3) for p in prompts]),
            SHORT: (vectors[:-5], prompts[:-5]),
            BROKEN: (vectors, prompts),
            NAMELESS: (vectors, prompts),
        }
        for model, (tokens, counts) in cases.items():
            folder = root / f"{model}-{data}-zero-shot"
            write_export(folder, tokens, counts, model=f"org/{model}", data=data, shards=2)
        (root / f"{BROKEN}-{data}-zero-shot" / "data-00001-of-00002.arrow").unlink()
        info = root / f"{NAMELESS}-{data}-zero-shot" / "dataset_info.json"
        info.write_text('{"description": "a folder"}')


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[StudyResult, Path]:
    folder = tmp_path_factory.mktemp("published")
    write_exports(folder / "exports")
    content = yaml.safe_load(builtin_path("llm-similarity-published").read_text(encoding="utf-8"))
    entry = content["models"][0]
    entry["options"]["root"] = str(folder / "exports")
    entry["each"]["model"] = [SAME, TURNED, OTHER, CODE, SHORT, BROKEN, NAMELESS]
    content["models"] = [entry]
    content["data"] = [
        {"name": "winogrande", "data": "winogrande"},
        {"name": "openai-humaneval", "data": "openai-humaneval"},
    ]
    content["significance"] = {"permutations": 10}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    result = run_study(load_study(str(path)), folder / "out", Store(folder / "store"))
    return result, folder / "out"


def published(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / "tables" / f"{name}.parquet")


def score(table: pd.DataFrame, a: str, b: str, measure: str) -> float:
    first, second = sorted((a, b))
    rows = table[
        (table["model1"] == first) & (table["model2"] == second) & (table["measure"] == measure)
    ]
    return float(rows["score"].iloc[0])


def test_the_published_tables_hold_the_known_answers(done) -> None:
    table = published(done[1], "winogrande_otis")
    assert list(table.columns)[:4] == [
        "score",
        "baseline_score",
        "baseline_scores_full",
        "model1",
    ]
    assert score(table, SAME, TURNED, PROCRUSTES) < 1e-5
    assert score(table, SAME, TURNED, "aligned_cossim") == pytest.approx(1.0, abs=1e-5)
    assert score(table, SAME, TURNED, "rsm_norm_diff") == pytest.approx(0.0, abs=1e-3)
    assert score(table, SAME, TURNED, "Pipeline(+jaccard_similarity{'k': 10})") == 1.0
    assert score(table, SAME, OTHER, PROCRUSTES) > 0.5
    other = published(done[1], "openai-humaneval_otistr")
    assert score(other, SAME, TURNED, "centered_kernel_alignment") == pytest.approx(1.0, abs=1e-5)
    assert set(other["strategy"]) == {"final_token"}


def test_broken_exports_are_named_and_the_rest_goes_on(done) -> None:
    result, out = done
    reasons = " ".join(str(missing) for missing in result.missing)
    assert "1 of 2 shards are missing, the first is data-00001-of-00002.arrow" in reasons
    assert "the description 'a folder' does not name a model" in reasons
    models = set(published(out, "winogrande_otis")["model1"])
    lines = missing_lines(result)
    assert len(lines) == len(set(lines)), "one line for each cause"
    assert all(any(one.what in line for line in lines) for one in result.missing)
    assert {SAME, OTHER, CODE} & models
    assert not {BROKEN, NAMELESS} & models


def test_an_export_of_other_length_has_null_scores_with_the_reason(done) -> None:
    table = published(done[1], "winogrande_otis")
    assert np.isnan(score(table, SAME, SHORT, PROCRUSTES))
    scores = pd.read_parquet(done[1] / "tables" / "scores.parquet")
    pair = scores[(scores["model_a"] == SHORT) | (scores["model_b"] == SHORT)]
    assert pair["value"].isna().all()
    assert pair["reason"].str.contains(f"{N - 5}").all()


def test_how_many_scores_an_export_of_other_length_lacks_is_said_once_for_each_data_set(
    done,
) -> None:
    measures, others = 11, 4
    lines = done[0].outputs.unscored
    for data, line in zip(("winogrande", "openai-humaneval"), lines, strict=True):
        lacking, all_rows = measures * others, measures * others * (others + 1) // 2
        assert line.startswith(f"{lacking} of {all_rows} rows of scores on {data} have no value: ")
        assert f"{N - 5}" in line
        assert line.endswith("; all are in tables/scores")


def test_the_correlation_between_the_data_sets(done) -> None:
    table = published(done[1], "data_agreement")
    rows = table[table["measure"] == "procrustes[score=distance,center=false]@1"]
    assert rows["pairs"].tolist() == [6]
    assert rows["spearman"].iloc[0] > 0.5


def test_the_heat_maps_of_the_paper_are_drawn(done) -> None:
    names = {path.name for path in (done[1] / "figures").glob("published_*.png")}
    assert names == {
        f"published_{data}_{group}.png"
        for data in ("winogrande", "openai-humaneval")
        for group in ("otis", "otistr")
    }


def test_the_warning_of_few_samples(done) -> None:
    table = published(done[1], "wide_pairs")
    assert set(table["n"]) == {N}
    assert table["d_max"].max() == 2 * WIDTH
    assert (table["wide_pairs"] == 0).all()


def test_without_the_files_the_plan_still_says_what_the_study_costs(tmp_path: Path) -> None:
    study = load_study("llm-similarity-published", (f"models.0.options.root={tmp_path}",))
    planned = plan_study(study, None)
    stages = {stage.stage: stage for stage in planned.stages}
    assert {name: len(stage.tasks) for name, stage in stages.items()} == {
        "extract": 13 * 2,
        "compare": 11 * 2,
        "tables": 3,
        "analyse": 5,
    }
    assert stages["extract"].bytes == 4 * 13 * 4096 * (1267 + 164)
    assert stages["compare"].unknown == 0
    # Products of rows of all pairs of models alone: 2 n² d each.
    assert stages["compare"].operations > 78 * 2 * 1267**2 * 4096
    reasons = {one.name: one.reason for one in planned.unresolved}
    assert len(reasons) == 13
    assert reasons[SAME].startswith(f"{tmp_path}: none of its 0 folders")
    assert "there is no such folder" in reasons[CODE]


def test_a_look_at_the_study_names_the_folders_that_are_not_right(tmp_path: Path) -> None:
    write_exports(tmp_path / "exports")
    models = f"models.0.each.model=[{SAME}, {BROKEN}]"
    study = load_study(
        "llm-similarity-published",
        (f"models.0.options.root={tmp_path / 'exports'}", models, "data.1.name=openai-humaneval"),
    )
    problems = Problems()
    absent = look(study, problems).absent
    assert not problems.lines
    reasons = [one.reason for one in absent]
    assert sum("1 of 2 shards are missing" in reason for reason in reasons) == 2
    assert sum("there is no such folder" in reason for reason in reasons) == 1  # CodeLlama's
    assert not any(SAME in reason for reason in reasons)
