"""Downloads from a real HTTP server that knows Range and can cut the line, lie, and refuse."""

import hashlib
import io
import os
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training import archives
from training.archives import Archive, SourceError, fetch

FOLDER = "pictures"


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.cuts: list[int] = []  # the next answers end after so many bytes
        self.statuses: list[int] = []  # the next answers are only these
        self.ranges = True
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.asked.append(asked)
        if self.server.statuses:
            self.send_error(self.server.statuses.pop(0))
            return
        begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        content = self.server.content[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            total = len(self.server.content)
            self.send_header("Content-Range", f"bytes {begin}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cuts.pop(0)] if self.server.cuts else content)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ATTEMPTS", 3)


def zipped(files: dict[str, bytes], *, link: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{FOLDER}/"), b"")
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if name == link:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def offer(server: Server, content: bytes, pictures: int = 3) -> Archive:
    server.content = content
    return Archive(
        url=f"http://127.0.0.1:{server.server_address[1]}/sets/pictures.zip?v=1",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        folder=FOLDER,
        pictures=pictures,
    )


PICTURES = {f"{FOLDER}/{number:04}.png": os.urandom(200_000) for number in range(1, 4)}


def assert_whole(folder: Path) -> None:
    assert {f"{FOLDER}/{path.name}": path.read_bytes() for path in folder.iterdir()} == PICTURES
    assert [path.name for path in folder.parent.iterdir()] == [FOLDER]


def test_an_archive_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    folder = fetch(archive, tmp_path / "new", quiet=True)
    assert folder == tmp_path / "new" / FOLDER
    assert_whole(folder)
    assert fetch(archive, tmp_path / "new", quiet=True) == folder
    assert server.asked == [None]


def test_a_cut_line_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    server.cuts = [1000, 300_000, 0]
    assert_whole(fetch(archive, tmp_path, quiet=True))
    assert server.asked == [None, "bytes=1000-", "bytes=301000-", "bytes=301000-"]


def test_a_killed_download_goes_on_with_the_next_call(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    (tmp_path / "pictures.zip.part").write_bytes(server.content[:5000])
    assert_whole(fetch(archive, tmp_path, quiet=True))
    assert server.asked == ["bytes=5000-"]


def test_a_call_that_was_killed_while_unpacking_only_unpacks(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    (tmp_path / "pictures.zip.part").write_bytes(server.content)
    (tmp_path / "pictures.part").mkdir()
    (tmp_path / "pictures.part" / "0001.png").write_bytes(b"half")
    assert_whole(fetch(archive, tmp_path, quiet=True))
    assert server.asked == []


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    server.ranges, server.cuts = False, [1000]
    assert_whole(fetch(archive, tmp_path, quiet=True))


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    server.statuses = [503, 429]
    assert_whole(fetch(archive, tmp_path, quiet=True))


def test_a_line_that_stays_cut_keeps_what_came_and_says_so(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    server.cuts = [1000, 0, 0, 0, 0]
    with pytest.raises(SourceError, match=r"1000 of \d+ bytes are kept.*run the same command again"):
        fetch(archive, tmp_path, quiet=True)
    assert (tmp_path / "pictures.zip.part").stat().st_size == 1000


def test_a_server_that_is_down_is_told(tmp_path: Path) -> None:
    with Server() as closed:
        archive = offer(closed, zipped(PICTURES))
    with pytest.raises(SourceError, match=f"Cannot download {re.escape(archive.url)}: .*refused"):
        fetch(archive, tmp_path, quiet=True)


def test_an_archive_that_is_gone_is_told_with_the_next_step(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    server.statuses = [404]
    with pytest.raises(SourceError, match=r"answered 404 Not Found.*put it at .*pictures\.zip\.part"):
        fetch(archive, tmp_path, quiet=True)


def test_a_wrong_checksum_deletes_what_came(server: Server, tmp_path: Path) -> None:
    archive = replace(offer(server, zipped(PICTURES)), sha256="0" * 64)
    with pytest.raises(SourceError, match=r"SHA-256 is .*, expected 0{64}.*run the same command again"):
        fetch(archive, tmp_path, quiet=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("already", [0, 200])
def test_more_bytes_than_promised_are_not_kept(server: Server, tmp_path: Path, already: int) -> None:
    archive = replace(offer(server, zipped(PICTURES)), size=1000)
    (tmp_path / "pictures.zip.part").write_bytes(server.content[:already])
    with pytest.raises(SourceError, match="more than the 1000 bytes"):
        fetch(archive, tmp_path, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_larger_than_the_archive_is_refused(server: Server, tmp_path: Path) -> None:
    archive = offer(server, zipped(PICTURES))
    (tmp_path / "pictures.zip.part").write_bytes(bytes(archive.size + 1))
    with pytest.raises(SourceError, match="SHA-256"):
        fetch(archive, tmp_path, quiet=True)
    assert_whole(fetch(archive, tmp_path, quiet=True))


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "/evil.png",
        f"{FOLDER}/../../evil.png",
        f"{FOLDER}/sub/evil.png",
        "evil.png",
        f"{FOLDER}/a\\b.png",
    ],
)
def test_a_name_that_leads_elsewhere_unpacks_nothing(server: Server, tmp_path: Path, name: str) -> None:
    archive = offer(server, zipped(PICTURES | {name: b"x"}), pictures=4)
    with pytest.raises(SourceError, match="expected plain files in pictures/"):
        fetch(archive, tmp_path / "store", quiet=True)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["pictures.zip.part"]
    assert not list(tmp_path.rglob("*evil*"))


def test_a_link_unpacks_nothing(server: Server, tmp_path: Path) -> None:
    name = f"{FOLDER}/0009.png"
    archive = offer(server, zipped(PICTURES | {name: b"/etc/passwd"}, link=name), pictures=4)
    with pytest.raises(SourceError, match="expected plain files"):
        fetch(archive, tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: zipped(PICTURES | {f"{FOLDER}/bomb.png": bytes(30_000_000)}), "expected about 3 of"),
        (lambda: zipped(dict(list(PICTURES.items())[:2])), "holds 2 files, expected 3"),
        (lambda: b"<html>" * 1000, "not a zip archive in order"),
        (lambda: zipped(PICTURES)[:-3000] + bytes(3000), "not a zip archive in order"),
    ],
    ids=["bomb", "too few", "no zip", "damaged"],
)
def test_an_archive_that_is_not_as_promised_unpacks_nothing(
    server: Server, tmp_path: Path, make: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        fetch(offer(server, make()), tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures.zip.part"]


def test_a_disk_too_small_is_told_before_anything_is_downloaded(server: Server, tmp_path: Path) -> None:
    archive = replace(offer(server, zipped(PICTURES)), size=10**18)
    with pytest.raises(SourceError, match=r"needs 2000000000.* GB .*Free some space"):
        fetch(archive, tmp_path, quiet=True)
    assert server.asked == []


def test_a_place_that_cannot_be_written_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match=r"Cannot store pictures\.zip in .*file/data"):
        fetch(offer(server, zipped(PICTURES)), tmp_path / "file" / "data", quiet=True)


def test_progress_is_shown(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(offer(server, zipped(PICTURES)), tmp_path)
    assert "downloading pictures.zip" in capsys.readouterr().out
