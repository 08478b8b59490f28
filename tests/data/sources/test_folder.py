from __future__ import annotations

import pytest
from PIL import Image

from repscape.data.load_data import load_data
from repscape.errors import InvalidParameterError, SampleError, UnreadableFileError


def paint(path, shade, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path)


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for k, name in enumerate(["dog/b.png", "cat/z.png", "cat/a.jpg", "cat/deep/er.png"]):
        paint(root / name, 10 * k)
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.png").write_bytes(b"x")
    return root


def test_images_by_class_sorted_by_path(photos):
    data = load_data(f"folder:{photos}")
    assert data.ids.tolist() == ["cat/a.jpg", "cat/deep/er.png", "cat/z.png", "dog/b.png"]
    assert data.labels.tolist() == ["cat", "cat", "cat", "dog"]
    assert (data.name, data.split, data.modality) == ("folder:photos", "all", "image")
    image = data[3].content
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (6, 4), (0, 0, 0))


def test_the_revision_is_that_of_the_content_wherever_it_lies(photos, tmp_path):
    before = load_data(f"folder:{photos}").revision
    moved = photos.rename(tmp_path / "elsewhere")
    assert load_data(f"folder:{moved}").revision == before
    paint(moved / "dog/b.png", 99)
    assert load_data(f"folder:{moved}").revision != before


def test_a_broken_or_truncated_image_is_a_bad_sample(photos):
    Image.effect_noise((64, 64), 50).save(photos / "cat/z.png")
    whole = (photos / "cat/z.png").read_bytes()
    (photos / "cat/z.png").write_bytes(whole[: len(whole) // 2])
    (photos / "dog/b.png").write_text("not an image")
    data = load_data(f"folder:{photos}")
    with pytest.raises(
        SampleError, match=r"'cat/z.png' of folder:.*/photos: the image is truncated"
    ):
        data[2]
    with pytest.raises(SampleError, match=r"'dog/b.png' .* not an image"):
        data[3]


def test_splits_and_captions(photos, tmp_path):
    for part in ("train", "test"):
        for k in range(2):
            paint(tmp_path / "set" / part / f"{k}.png", k)
            (tmp_path / "set" / part / f"{k}.txt").write_text(f"{part} {k}", encoding="utf-8")
    data = load_data(f"folder:{tmp_path}/set", split="test")
    assert (data.split, data.labels, data.ids.tolist()) == ("test", None, ["0.png", "1.png"])
    captions = data.view("text")
    assert [s.content for s in captions] == ["test 0", "test 1"]
    assert captions.ids.tolist() == data.ids.tolist()
    with pytest.raises(InvalidParameterError, match="splits 'test', 'train': choose one"):
        load_data(f"folder:{tmp_path}/set")
    with pytest.raises(InvalidParameterError, match="no split 'tset': did you mean 'test'"):
        load_data(f"folder:{tmp_path}/set", split="tset")


def test_text_files_are_texts(tmp_path):
    for name, raw in [("pos/1.txt", b"gut"), ("neg/2.txt", b"\xff\xfe")]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(raw)
    data = load_data(f"folder:{tmp_path}")
    assert (data.modality, data.labels.tolist()) == ("text", ["neg", "pos"])
    assert data[1].content == "gut"
    with pytest.raises(SampleError, match="not UTF-8"):
        data[0]


def test_wrong_folders_say_what_is_wrong(tmp_path):
    (tmp_path / "file").write_text("x")
    for name, message in [("none", "no such folder"), ("file", "is a file"), (".", "none of its")]:
        with pytest.raises(UnreadableFileError, match=message):
            load_data(f"folder:{tmp_path}/{name}")
