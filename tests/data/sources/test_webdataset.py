from __future__ import annotations

import io
import tarfile

import pytest
from PIL import Image

from repscape.data.load_data import load_data
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    SampleError,
    UnreadableFileError,
)


def picture(shade):
    file = io.BytesIO()
    Image.new("L", (4, 4), shade).save(file, "WEBP", lossless=True)
    return file.getvalue()


def write_tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    return path


@pytest.fixture
def root(tmp_path):
    """Three tars of two samples each, numbered so that text order differs from theirs."""
    for split in ("train", "test"):
        for shard, number in enumerate((0, 2, 10)):
            files = {}
            for k in range(2):
                row = 2 * shard + k
                files[f"s{row:07d}.webp"] = picture(10 * row)
                files[f"s{row:07d}.cls"] = str(row % 2).encode()
            write_tar(tmp_path / "set" / split / f"{number}.tar", files)
    (tmp_path / "set" / "classnames.txt").write_text("cat\ndog\n")
    return tmp_path / "set"


def test_tars_in_the_order_of_their_numbers_with_classes(root):
    data = load_data(f"wds:{root}", split="train")
    assert data.ids.tolist() == [f"s{row:07d}" for row in range(6)]
    assert [s.content.getpixel((0, 0))[0] for s in data] == [0, 10, 20, 30, 40, 50]
    assert data.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.columns["class_name"].tolist() == ["cat", "dog"] * 3
    assert (data.name, data.split, data.modality) == ("wds:set", "train", "image")
    with pytest.raises(InvalidParameterError, match="splits 'test', 'train': choose one"):
        load_data(f"wds:{root}")


def test_images_with_captions_and_json(tmp_path):
    files = {"k1.jpg": picture(1), "k1.txt": b"one", "k1.json": b'{"w": 2}'}
    files |= {"k2.jpg": picture(2), "k2.txt": "zwei \u00fc".encode(), "k2.json": b'{"w": 3}'}
    data = load_data(f"wds:{write_tar(tmp_path / '0.tar', files)}")
    assert [s.content for s in data.view("text")] == ["one", "zwei ü"]
    assert data.view("text").ids.tolist() == data.ids.tolist() == ["k1", "k2"]
    assert data.columns["w"].tolist() == [2, 3]
    assert data.labels is None


def test_what_is_broken_is_named(tmp_path):
    tar = write_tar(tmp_path / "0.tar", {"a.jpg": picture(1) * 40, "b.jpg": picture(2) * 40})
    whole = tar.read_bytes()
    tar.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(UnreadableFileError, match=r"0\.tar: truncated"):
        load_data(f"wds:{tar}")
    tar.write_bytes(b"no tar")
    with pytest.raises(UnreadableFileError, match="truncated or not an uncompressed tar"):
        load_data(f"wds:{tar}")
    write_tar(tar, {"a.jpg": picture(1), "a.cls": b"1", "b.jpg": picture(2)})
    with pytest.raises(InvalidRepresentationError, match=r"'b' has no label \(.cls\), but 'a' has"):
        load_data(f"wds:{tar}")
    write_tar(tar, {"a.jpg": picture(1), "a.cls": b"cat"})
    with pytest.raises(UnreadableFileError, match=r"'a.cls' holds b'cat', not a whole number"):
        load_data(f"wds:{tar}")
    write_tar(tar, {"a.jpg": b"no image", "b.jpg": picture(1)})
    with pytest.raises(SampleError, match=r"sample 'a' of wds:.*/0.tar: it is not an image"):
        load_data(f"wds:{tar}")[0]
    write_tar(tmp_path / "1.tar", {"a.bin": b"?"})
    with pytest.raises(UnreadableFileError, match="its tars hold no images"):
        load_data(f"wds:{tmp_path / '1.tar'}")
    write_tar(tmp_path / "1.tar", {"a.jpg": picture(1)})
    with pytest.raises(InvalidRepresentationError, match="'a' comes twice"):
        load_data(f"wds:{tmp_path}")
