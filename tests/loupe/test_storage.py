"""Storage in a folder, on disks that are full or closed to us."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loupe.errors import StorageError
from loupe.storage import FileStorage, KeyNotFound, open_storage

BAD_KEYS = ["", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", ".", "a/./b", "nul\0", "back\\slash", "x" * 1025]
BAD_KEYS += ["line\nbreak", "\udc80", "é" * 513]


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "store")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_what_is_written_is_read_listed_and_deleted(storage: FileStorage) -> None:
    storage.write("results/ab/one.png", b"1", media_type="image/png")
    storage.write("results/two.png", io.BytesIO(b"22"))
    storage.write("results/two.png", b"333")
    storage.write("other/3", b"")
    assert storage.read("results/two.png") == b"333"
    with storage.open_read("results/ab/one.png") as stream:
        assert stream.read() == b"1"
    assert [(entry.key, entry.size) for entry in storage.list("results/")] == [
        ("results/ab/one.png", 1),
        ("results/two.png", 3),
    ]
    assert [entry.key for entry in storage.list("results/tw")] == ["results/two.png"]
    assert len(list(storage.list())) == 3
    assert all(entry.modified.tzinfo is not None for entry in storage.list())
    storage.delete("results/two.png")
    storage.delete("results/two.png")
    assert not storage.exists("results/two.png")
    assert storage.exists("results/ab/one.png")
    assert not storage.exists("results/ab")


def test_nothing_is_there_at_first(storage: FileStorage) -> None:
    assert list(storage.list()) == []
    assert not storage.exists("a")
    with pytest.raises(KeyNotFound, match="no such file") as caught:
        storage.read("a")
    assert caught.value.status == 404


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_leads_elsewhere_is_refused(storage: FileStorage, key: str) -> None:
    for use in (storage.read, storage.open_read, storage.exists, storage.delete, lambda k: storage.write(k, b"")):
        with pytest.raises(StorageError, match="Not a storage key"):
            use(key)
    assert not storage.root.parent.joinpath("up").exists()


@pytest.mark.parametrize("prefix", ["../", "/etc", "a/../..", "nul\0"])
def test_a_prefix_that_leads_elsewhere_is_refused(storage: FileStorage, prefix: str) -> None:
    with pytest.raises(StorageError, match="Not a storage key"):
        list(storage.list(prefix))


def test_keys_may_be_in_any_language(storage: FileStorage) -> None:
    storage.write("写真/Foto mit Umlaut ä\u202f1.png", b"x")
    assert [entry.key for entry in storage.list("写")] == ["写真/Foto mit Umlaut ä\u202f1.png"]


def test_a_stream_that_fails_half_way_leaves_what_was_there(storage: FileStorage) -> None:
    class Failing(io.RawIOBase):
        left = 2

        def read(self, size: int = -1) -> bytes:
            if not self.left:
                raise OSError("the source went away")
            self.left -= 1
            return b"new"

    storage.write("a", b"old")
    with pytest.raises(StorageError, match="the source went away"):
        storage.write("a", Failing())  # type: ignore[arg-type]
    assert storage.read("a") == b"old"
    assert leftovers(storage.root) == ["a"]


def test_readers_never_see_half_a_file_while_many_write(storage: FileStorage) -> None:
    contents = [bytes([digit]) * 300_000 for digit in range(4)]
    storage.write("a", contents[0])

    def rewrite(content: bytes) -> None:
        for _ in range(10):
            storage.write("a", content)

    writers = [threading.Thread(target=rewrite, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    seen = {storage.read("a")}
    while any(writer.is_alive() for writer in writers):
        seen.add(storage.read("a"))
        assert [entry.key for entry in storage.list()] == ["a"]
    assert seen <= set(contents)
    assert leftovers(storage.root) == ["a"]


def test_others_may_read_what_was_written_as_the_umask_says(storage: FileStorage) -> None:
    previous = os.umask(0o022)
    try:
        storage.write("a", b"x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((storage.root / "a").stat().st_mode) == 0o644


def test_a_name_that_is_too_long_for_the_disk_is_told(storage: FileStorage) -> None:
    with pytest.raises(StorageError, match="name too long"):
        storage.write("x" * 300, b"")


def test_a_folder_where_the_file_should_be_is_told(storage: FileStorage) -> None:
    storage.write("a/b", b"x")
    with pytest.raises(StorageError, match="Is a directory"):
        storage.write("a", b"y")
    with pytest.raises(StorageError, match="Is a directory"):
        storage.read("a")
    assert leftovers(storage.root) == ["b"]


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StorageError, match=r"Cannot write .*store/a/b: (Not a directory|File exists)"):
        FileStorage(tmp_path / "store").write("a/b", b"x")


CHILD = """
import json, os, resource, sys
from pathlib import Path
from loupe.errors import StorageError
from loupe.storage import FileStorage
{prepare}
storage = FileStorage(Path(sys.argv[1]))
try:
    {action}
except StorageError as error:
    print(json.dumps(str(error)))
"""


def message_of_child(prepare: str, action: str, folder: Path) -> str:
    """The StorageError of ``action`` in a process of its own, which ``prepare`` limits for ever."""
    program = CHILD.format(prepare=prepare, action=action)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        storage = FileStorage(tmp_path)
        storage.write("small", b"x")
        with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
            storage.write("large", bytes(1_000_000))
        assert leftovers(tmp_path) == ["small"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_write_that_stops_half_way_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    FileStorage(tmp_path).write("large", b"old")
    limit = (
        f"import signal; signal.signal({signal.SIGXFSZ.value}, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    )
    message = message_of_child(limit, "storage.write('large', bytes(1_000_000))", tmp_path)
    assert "File too large. Raise the limit" in message
    assert leftovers(tmp_path) == ["large"]
    assert FileStorage(tmp_path).read("large") == b"old"


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        ("storage.write('new', b'x')", "write"),
        ("storage.delete('closed/a')", "delete"),
        ("storage.read('closed/a')", "read"),
        ("storage.exists('closed/a')", "look for"),
        ("list(storage.list())", "list"),
    ],
)
def test_no_permission_is_told(tmp_path: Path, action: str, verb: str) -> None:
    FileStorage(tmp_path).write("closed/a", b"x")
    (tmp_path / "closed").chmod(0)
    tmp_path.chmod(0o555)
    try:
        # pytest's own folders are closed to nobody, so the child enters before it gives root up
        root = "os.chdir(sys.argv[1]); sys.argv[1] = '.'; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
        message = message_of_child(root if os.geteuid() == 0 else "", action, tmp_path)
    finally:
        tmp_path.chmod(0o755)
        (tmp_path / "closed").chmod(0o755)
    assert message.startswith(f"Cannot {verb} ")
    assert "Permission denied. Ask for permission" in message
    assert leftovers(tmp_path) == ["a"]


def test_an_address_opens_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_storage("file://.loupe/sub").write("a", b"1")
    assert (tmp_path / ".loupe" / "sub" / "a").read_bytes() == b"1"
    absolute = tmp_path / "with space"
    open_storage(absolute.as_uri()).write("b", b"2")
    assert (absolute / "b").read_bytes() == b"2"


@pytest.mark.parametrize("uri", ["", "folder", "/folder", "file://", "file:///", "s3://", "s3:///key", "ftp://host/a"])
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(StorageError, match="expected file://folder or s3://bucket/prefix"):
        open_storage(uri)
