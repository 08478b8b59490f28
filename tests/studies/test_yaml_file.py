from __future__ import annotations

import pytest

from repscape.errors import StudyError, UnreadableFileError
from repscape.studies.yaml_file import parse_source, read_source, with_settings


def content(text: str) -> dict:
    return parse_source(text, "s.yaml").content


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-02", "2024-01-02"),
        ("010", 10),
        ("1e-3", 1e-3),
        ("1.5E6", 1.5e6),
        ("-3", -3),
        (".5", 0.5),
        ("true", True),
        ("null", None),
        ("'7'", "7"),
        ("70m", "70m"),
    ],
)
def test_text_is_text_unless_it_is_plainly_something_else(text, value):
    found = content(f"key: {text}")["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_part_knows_its_place():
    source = parse_source("a:\n  - b: 1\n    c: [x, y]\n", "s.yaml")
    assert source.place(("a", 0, "c", 1)) == "s.yaml:3:12"
    assert source.place(("a", 0, "b")) == "s.yaml:2:5"
    assert source.place(("a", 0, "missing")) == "s.yaml:2:5", "the nearest part around it"
    assert str(source.error(("a",), "wrong")) == "s.yaml:1:1: wrong"


def test_settings_replace_values_and_errors_name_them():
    source = with_settings(parse_source("a: [1, {b: 2}]\nc: 3\n", "s"), ["a.1.b=[4, 5]", "d.e=x"])
    assert source.content == {"a": [1, {"b": [4, 5]}], "c": 3, "d": {"e": "x"}}
    assert source.place(("a", 1, "b", 0)) == "--set a.1.b=[4, 5]"
    assert source.place(("c",)) == "s:2:1"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("a", "key=value"),
        ("=1", "key=value"),
        ("a.7=1", "0 to 1"),
        ("c.d=1", "nothing inside 3"),
        ("c=[1", "close the bracket"),
    ],
)
def test_a_wrong_setting_is_quoted(setting, words):
    with pytest.raises(StudyError, match=r"^--set ") as found:
        with_settings(parse_source("a: [1, 2]\nc: 3\n", "s"), [setting])
    assert setting in str(found.value)
    assert words in str(found.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^s\.yaml:1:1: the file is empty"),
        ("- a\n", r"^s\.yaml:1:1: a study is a mapping"),
        ("1: a\n", r"^s\.yaml:1:1: the key 1 is not text: quote it"),
        ("a: {b}: c\n", r"^s\.yaml:1:"),
        ("a: *b\n", r"^s\.yaml:1:4: .*undefined alias.*define it before"),
        ("a: !x b\n", r"^s\.yaml:1:4: .*leave the tag out"),
        ("a: &x [*x]\n", r"^s\.yaml:1:4: an alias stands inside what it names"),
        ("a: b: c\n", r"^s\.yaml:1:5: .*quote text that holds"),
    ],
)
def test_what_is_not_a_study_is_one_message(text, message):
    with pytest.raises(StudyError, match=message):
        parse_source(text, "s.yaml")


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UnreadableFileError, match="no such study file; `repscape studies`"):
        read_source(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableFileError, match="not a text file"):
        read_source(tmp_path / "bytes.yaml")
