"""seamount.filesystem under fsspec's own conformance suite, and what the suite does not ask."""

from __future__ import annotations

import os
import pickle

import fsspec.tests.abstract as abstract
import pytest
from test_clients import lab_with_winds

from seamount.filesystem import SeamountFileSystem


@pytest.fixture(scope="module")
def lab(seamount_binary, tmp_path_factory):
    with lab_with_winds(seamount_binary, tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def files(lab, request):
    fs = SeamountFileSystem(key=str(lab.admin_key))
    root = f"winds/{request.node.name}"
    yield fs, root
    if fs.exists(root):
        fs.rm(root, recursive=True)


class Fixtures(abstract.AbstractFixtures):
    @pytest.fixture(scope="class")
    def fs(self, lab):
        return SeamountFileSystem(key=str(lab.admin_key))

    @pytest.fixture
    def fs_path(self):
        return "winds"

    @pytest.fixture
    def supports_empty_directories(self):
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):
    pass


class TestGet(abstract.AbstractGetTests, Fixtures):
    pass


class TestPut(abstract.AbstractPutTests, Fixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, Fixtures):
    pass


class TestOpen(abstract.AbstractOpenTests, Fixtures):
    pass


def test_ranges_are_as_those_of_bytes(files):
    fs, root = files
    content = os.urandom(1000)
    fs.pipe_file(f"{root}/a", content)
    for start in (None, 0, 1, 999, 1000, -1, -1000):
        for end in (None, 0, 1, 500, 1000, 2000, -1, -999):
            assert fs.cat_file(f"{root}/a", start, end) == content[start:end], (start, end)
    assert fs.cat_ranges([f"{root}/a", f"{root}/b"], [0, 0], [10, 10])[0] == content[:10]
    assert isinstance(fs.cat_ranges([f"{root}/b"], [0], [10])[0], FileNotFoundError)


def test_a_file_that_was_left_by_an_exception_is_not_there(files):
    fs, root = files
    with pytest.raises(KeyError):
        with fs.open(f"{root}/half", "wb") as file:
            file.write(b"x" * 10_000_000)
            raise KeyError
    assert not fs.exists(f"{root}/half")


def test_reading_stays_on_one_content(files):
    fs, root = files
    fs.pipe_file(f"{root}/a", b"old" * 4_000_000)
    with fs.open(f"{root}/a", block_size=1 << 20) as file:
        assert file.read(3) == b"old"
        fs.pipe_file(f"{root}/a", b"new" * 4_000_000)
        with pytest.raises(RuntimeError, match="a"):
            file.seek(9_000_000)
            file.read(3)


def test_appending_and_creating(files):
    fs, root = files
    with fs.open(f"{root}/log", "ab") as file:
        file.write(b"one ")
    with fs.open(f"{root}/log", "ab") as file:
        assert file.tell() == 4
        file.write(b"two")
    assert fs.cat_file(f"{root}/log") == b"one two"
    with pytest.raises(FileExistsError):
        fs.open(f"{root}/log", "xb")
    with pytest.raises(FileExistsError):
        fs.pipe_file(f"{root}/log", b"", mode="create")
    assert fs.cat_file(f"{root}/log") == b"one two"


def test_find_lists_flat_and_folders_are_told_from_files(files):
    fs, root = files
    fs.pipe({f"{root}/a/1": b"1", f"{root}/a/b/2": b"22", f"{root}/ab": b""})
    assert fs.find(root) == [f"{root}/a/1", f"{root}/a/b/2", f"{root}/ab"]
    assert fs.find(f"{root}/a") == [f"{root}/a/1", f"{root}/a/b/2"]
    assert fs.du(root) == 3
    assert fs.info(f"{root}/a")["type"] == "directory" and fs.isfile(f"{root}/ab")
    assert [entry["type"] for entry in fs.ls(root)] == ["directory", "file"]
    with pytest.raises(FileNotFoundError):
        fs.ls(f"{root}/none")
    with pytest.raises(IsADirectoryError):
        fs.rm(f"{root}/a")


def test_it_travels_to_other_processes_and_its_repr_has_no_secret(lab):
    fs = SeamountFileSystem(key=str(lab.admin_key))
    again = pickle.loads(pickle.dumps(fs))
    again.pipe_file("winds/travelled", b"1")
    assert fs.cat_file("winds/travelled") == b"1"
    inline = SeamountFileSystem(key=lab.admin_key.read_text())
    assert "PRIVATE" not in repr(inline) and inline.exists("winds/travelled")
