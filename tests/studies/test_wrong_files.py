"""Study files that are wrong: each gives one message that names the line and the mend."""

from __future__ import annotations

import pytest

from repscape.errors import RepscapeError
from repscape.studies.load import checked, load_study
from repscape.studies.look import Looked, look
from repscape.studies.problems import Problems
from repscape.studies.yaml_file import parse_source

GOOD = """\
study: mine
models:
  - train: digits_network
    name: "mlp/{seed}"
    options: {architecture: mlp, seed: "{seed}"}
    each: {seed: [0, 1]}
    tags: {family: mlp}
data:
  - {data: digits, split: held_out}
layers: ["blocks.?"]
measures: [cka, "mutual_knn[k=10]"]
descriptors:
  - gride
significance: {permutations: 20}
resources:
  extract: {cpus: 1}
"""

# what is wrong; what is replaced; by what; line and column; words of what is wrong and the mend
WRONG = [
    ("an unknown key", "measures:", "mesures:", "11:1", ["unknown key 'mesures'", "'measures'"]),
    ("a key of a model", "    tags:", "    tag:", "7:5", ["unknown key 'tag'", "'tags'"]),
    ("a tag like a column", "{family: mlp}", "{kind: mlp}", "7:12",
     ["'kind'", "'model_kind'"]),
    ("a key of resources", "{cpus: 1}", "{cpu: 1}", "16:13", ["unknown key 'cpu'", "'cpus'"]),
    ("a stage", "  extract:", "  extrct:", "16:3", ["extrct", "'extract'"]),
    ("no name", "study: mine\n", "title: Mine\n", "1:1", ["'study' is missing", "add `study"]),
    ("a name with signs", "study: mine", "study: my study!", "1:1", ["my study!", "letters"]),
    ("no models", GOOD[GOOD.index("models") : GOOD.index("data:")], "models: []\n", "2:1",
     ["models", "at least one"]),
    ("two origins", "  - train:", "  - model: hf:gpt2\n    train:", "3:5",
     ["exactly one of model, train and read", "model and train"]),
    ("a measure", "[cka,", "[ckaa,", "11:12", ["'ckaa'", "did you mean 'cka'"]),
    ("a parameter", "k=10", "kk=10", "11:17", ["'kk'", "did you mean 'k'"]),
    ("a measure twice", "[cka,", '[cka, "cka[kernel=linear]",', "11:17", ["twice", "leave one"]),
    ("outputs of hidden layers", "[cka,", "[accuracy_difference,", "11:12",
     ["'accuracy_difference'", "'blocks.?'", "layers: [logits]"]),
    ("outputs of all layers", 'layers: ["blocks.?"]\nmeasures: [cka,',
     "measures: [jensen_shannon,", "10:12", ["'jensen_shannon'", "all layers"]),
    ("a pooling", "layers:", "poolings: [men]\nlayers:", "10:12", ["'men'", "did you mean 'mean'"]),
    ("a descriptor", "  - gride", "  - gryde", "13:5", ["'gryde'", "did you mean 'gride'"]),
    ("a training step", "train: digits_network", "train: digit_network", "3:5",
     ["no training step is called 'digit_network'", "'digits_network'"]),
    ("an option of a step", "architecture: mlp", "architecture: mlp, sead: 1", "5:34",
     ["unknown key 'sead'", "'seed'"]),
    ("a value of an option", "architecture: mlp", "architecture: mpl", "5:15:",
     ["'mpl'", "did you mean 'mlp'"]),
    ("a value of a product", "[0, 1]", "[0, zero]", "6:22:", ["seed='zero'", "whole number"]),
    ("a product nobody uses", "{seed: [0, 1]}", "{seed: [0, 1], size: [1]}", "6:26",
     ["nothing says {size}"]),
    ("a name that is no product", 'seed: "{seed}"', 'seed: "{sed}"', "5:34", ["'sed'", "'seed'"]),
    ("equal names", 'name: "mlp/{seed}"', "name: mlp", "3:5", ["called 'mlp'", "`name`"]),
    ("a negative number", "permutations: 20", "permutations: -1", "14:16", ["-1", "1"]),
    ("text for a number", "permutations: 20", "permutations: many", "14:16",
     ["'many'", "whole number"]),
    ("a key twice", "descriptors:", "data: []\ndescriptors:", "12:1",
     ["'data' stands twice", "8:1"]),
    ("brackets without quotes", '"mutual_knn[k=10]"', "mutual_knn[k=10]", "11:", ["quote"]),
    ("a tab", "  - gride", "\t- gride", "13:1", ["tabs"]),
    ("an open bracket", "[cka,", "[[cka,", "12:", ["bracket"]),
    ("no list", "{seed: [0, 1]}", "{seed: 0}", "6:12", ["give a list"]),
    ("nothing measured", 'measures: [cka, "mutual_knn[k=10]"]\ndescriptors:\n  - gride\n', "",
     "1:1", ["nothing is measured", "measures: [cka]"]),
    ("an analysis", "layers:", "analyses: [similarity_sumary]\nlayers:", "10:12",
     ["'similarity_sumary'", "'similarity_summary'"]),
    ("a subset of two ways", "split: held_out", "split: held_out, subset: {first: 1, random: 2}",
     "9:37", ["exactly one of first"]),
    ("a memory", "{cpus: 1}", "{cpus: 1, memory: much}", "16:22", ["memory='much'", "2GiB"]),
    ("null", "resources:", "retries: null\nresources:", "15:1", ["retries=null", "whole number"]),
    ("a choice", "layers:", "compare: {pairs: every}\nlayers:", "10:11", ["'every'", "'all'"]),
    ("calibrating what is not there", "permutations: 20", "measures: [rsa]", "14:27",
     ["none of the study's measures"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [case[1:] for case in WRONG],
    ids=[case[0].replace(" ", "-") for case in WRONG],
)
def test_one_message_names_the_line_and_the_mend(tmp_path, old, new, place, words):
    assert GOOD.count(old) == 1, "the change is ambiguous"
    path = tmp_path / "study.yaml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(RepscapeError) as found:
        load_study(str(path))
    message = str(found.value)
    assert len(message.splitlines()) == 1, message
    assert message.startswith(f"{path}:{place}"), message
    for word in words:
        assert word in message, message


def test_the_file_that_they_were_made_from_is_fine(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(GOOD, encoding="utf-8")
    study = load_study(str(path))
    assert [model.name for model in study.models] == ["mlp/0", "mlp/1"]
    assert study.models[1].options["seed"] == 1, "a text that is only {seed} keeps the type"
    assert study.measures[1] == "mutual_knn[k=10,metric=cosine]@1"


def test_outputs_may_be_compared(tmp_path):
    path = tmp_path / "study.yaml"
    outputs = GOOD.replace('["blocks.?"]', "[head]").replace("[cka,", "[disagreement, cka,")
    path.write_text(outputs, encoding="utf-8")
    assert load_study(str(path)).measures[0] == "disagreement[values=logits]@1"


MANY = """\
study: my study
models:
  - {train: digits_network, options: {architecture: mpl}, name: a}
  - {train: digit_network, name: b}
  - {train: digits_network, options: {architecture: mlp}, name: c, data: [here, there]}
  - {train: digits_network, options: {architecture: mlp}, name: c}
  - {model: "hff:gpt2"}
  - {model: "hf:gpt2", options: {devise: cpu}, tag: {family: gpt}}
data:
  - {name: here, data: digits, split: held_oot}
  - {name: second, data: digts}
  - {name: third, data: "jsonl:none.jsonl"}
  - {name: fourth, data: digits, options: {sead: 1}}
  - {name: fifth, data: digits, subset: {random: 5000}}
layers: ["blocks.?", "block.7"]
measures: [ckaa, cka, rsaa, "mutual_knn[kk=3]"]
descriptors: [gryde, twonn]
significance: {permutations: many}
analyses: [similarity_sumary]
figures: [{use: similarity, options: {rule: matched_depth}}]
resources: {extrct: {cpus: 1}, compare: {cpus: 0}}
colour: blue
"""
EXPECTED = (
    (1, "my study"), (3, "did you mean 'mlp'"), (4, "'digits_network'"), (5, "'there'"),
    (6, "two entries of models are called 'c'"), (7, "did you mean 'hf:'"), (8, "'tags'"),
    (10, "'held_out'"), (11, "did you mean 'digits'"), (13, "did you mean 'seed'"), (14, "5000"),
    (15, "'block.7'"), (16, "'ckaa'"), (16, "'rsaa'"), (16, "'kk'"), (17, "'gryde'"),
    (18, "whole number"), (19, "'similarity_summary'"), (20, "'matched_depth_mean'"),
    (21, "'extract'"), (21, "cpus"), (22, "'colour'"),
)  # fmt: skip


PRODUCT = """\
study: mine
models:
  - train: digits_network
    name: "{kind}/{seed}"
    options: {architecture: "{kind}", seed: "{seed}"}
    each:
      kind: [mlp, cn]
      seed: [0]
  - model: "{name}"
    each: {name: ["hf:gpt2", "hff:gpt2"]}
data:
  - data: digits
    split: "{split}"
    name: "{split}"
    each: {split: [train, held_oot]}
measures: [cka, "mutual_knn[k=1348]"]
"""


def looked_at(text: str) -> tuple[list[str], Looked]:
    problems = Problems()
    looked = look(checked(parse_source(text, "s"), problems), problems)
    return sorted(problems.lines), looked


def test_what_is_wrong_with_a_product_is_said_where_its_value_stands():
    lines, _ = looked_at(PRODUCT)
    assert [line.split(": ")[0] for line in lines] == ["s:10:30", "s:15:27", "s:7:19"]
    assert "'cn': did you mean 'cnn'" in lines[2]


def test_every_wrong_value_of_a_product_is_said():
    text = PRODUCT.replace("cn]", "cn, cnn, mpl]").replace("seed: [0]", "seed: [0, no]")
    lines, _ = looked_at(text.replace("[train,", "[tran,"))
    places = ["s:10:30", "s:15:20", "s:15:26", "s:7:19", "s:7:28", "s:8:17"]
    assert [line.split(": ")[0] for line in lines] == places
    assert "'mpl': did you mean 'mlp'" in lines[4]
    assert "seed='no'" in lines[5]


def test_a_split_is_looked_at_also_where_no_model_is_right():
    lines, _ = looked_at(GOOD.replace("held_out", "hout").replace("    tags:", "    tag:"))
    assert [line.split(": ")[0] for line in lines] == ["s:7:5", "s:9:20"]


def test_a_measure_that_wants_more_samples_than_there_are_is_named():
    right = PRODUCT.replace("cn]", "cnn]").replace("hff:", "hf:open").replace("oot", "out")
    lines, looked = looked_at(right)
    assert lines == []
    assert looked.unscored == [
        "mutual_knn[k=1348,metric=cosine]@1 has no value at all on train: mutual_knn[k=1348,"
        "metric=cosine]@1 needs at least 1349 samples, and there are 1348",
        "mutual_knn[k=1348,metric=cosine]@1 has no value at all on held_out: mutual_knn[k=1348,"
        "metric=cosine]@1 needs at least 1349 samples, and there are 449",
    ]


def test_models_whose_layers_are_not_checked_are_named():
    _, looked = looked_at(GOOD.replace("\ndata:", '\n  - model: "hf:no/model"\ndata:'))
    [unchecked] = looked.unchecked  # of those that are trained, layers are checked
    assert unchecked.model == "hf:no/model"
    assert "hub" in unchecked.reason
    everything = GOOD.replace("\ndata:", '\n  - model: "hf:gpt2"\ndata:').replace(
        'layers: ["blocks.?"]', ""
    )
    assert looked_at(everything)[1].unchecked == []


LAYERS = """\
study: mine
models:
  - model: "torchvision:{kind}"
    options: {pretrained: false}
    each: {kind: [resnet18, resnet34, vit_b_16]}
data: digits
layers: ["blok.*", "block.1"]
measures: [cka]
"""


def test_layers_of_pretrained_models_are_checked_without_their_weights():
    text = LAYERS.replace("data: digits", "data: [{data: digits, split: held_out}]")
    lines, looked = looked_at(text)
    assert looked.unchecked == []
    [line] = lines
    assert line.startswith("s:7:10: layer 'blok.*' matches nothing in ResNet")
    assert "did you mean 'block.*'?" in line
    assert line.endswith("(model 'torchvision:resnet18' and 2 more)")
    assert looked_at(text.replace("blok", "block"))[0] == []


def test_an_option_without_which_a_model_has_no_layers_is_said_at_the_model():
    text = GOOD.replace("\ndata:", '\n  - model: "open_clip:ViT-B-32/openai"\ndata:')
    [line] = looked_at(text)[0]
    assert line.startswith("s:8:5: 'open_clip:ViT-B-32/openai' has a tower for each modality")


def test_everything_that_is_wrong_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = parse_source(MANY, "study.yaml")
    problems = Problems()
    looked = look(checked(source, problems), problems)
    lines = list(problems.lines)
    with pytest.raises(RepscapeError) as found:
        problems.raise_all()
    places = [int(line.split(":")[1]) for line in str(found.value).splitlines()]
    assert places == sorted(places), "in the order of the file"
    missing = [
        (number, words)
        for number, words in EXPECTED
        if not any(line.startswith(f"study.yaml:{number}:") and words in line for line in lines)
    ]
    assert missing == [], "\n".join(lines)
    assert len(lines) == len(EXPECTED), "\n".join(lines)
    assert [one.place.split(":")[1] for one in looked.absent] == ["12"], (
        "it may lie where it is run"
    )
