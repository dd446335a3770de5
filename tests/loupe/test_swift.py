"""S3Storage and versions of models against OpenStack Swift, which unlike moto keeps to disk and checks signatures."""

import importlib.util
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loupe.errors import StorageError
from loupe.s3 import PART, S3Storage
from loupe.storage import KeyNotFound, open_storage
from loupe.versions import list_versions, promote, rollback, serving_version, show
from tests.loupe.cutting import CuttingProxy
from tests.loupe.test_versions import Shop, shop  # noqa: F401  (a fixture)

MISSING = [name for name in ("swift", "pyeclib") if not importlib.util.find_spec(name)]
pytestmark = [
    pytest.mark.swift,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
BUCKET = "pictures"
KEYS = {"access_key": "test:tester", "secret_key": "testing"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("swift")
    try:
        os.setxattr(folder, "user.swift", b"1")
    except OSError as error:
        pytest.skip(f"{folder} keeps no extended attributes ({error}); try pytest --basetemp elsewhere")
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("swift_server.py")), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as server:  # type: ignore[call-overload]
        url = server.stdout.readline().strip()
        assert url, server.stderr.read()
        yield url
        server.stdin.close()
        server.wait(10)


def connect(endpoint: str, bucket: str = BUCKET, prefix: str = "", **keys: str) -> S3Storage:
    return S3Storage(bucket, prefix, endpoint=endpoint, region="us-east-1", timeout=20, **(KEYS | keys))


@pytest.fixture(scope="module")
def storage(endpoint: str) -> S3Storage:
    opened = connect(endpoint)
    opened._client.make_bucket(BUCKET)
    return opened


@pytest.fixture
def proxy(endpoint: str) -> Iterator[CuttingProxy]:
    running = CuttingProxy(endpoint)
    yield running
    running.listener.close()


@pytest.fixture(scope="module")
def large(storage: S3Storage) -> bytes:
    """Of two parts, uploaded as "large"."""
    content = os.urandom(PART + 12_345)
    storage.write("large", io.BytesIO(content))
    return content


def test_what_is_written_is_read_listed_and_deleted(storage: S3Storage, endpoint: str) -> None:
    deep = connect(endpoint, prefix="a/b")
    deep.write("results/ö ne+1.png", b"1", media_type="image/png")
    deep.write("results/two.png", io.BytesIO(b"22"))
    deep.write("zero", b"")
    assert deep.read("results/ö ne+1.png") == b"1"
    assert deep.read("zero") == b""
    assert [(e.key, e.size) for e in deep.list("results/")] == [("results/two.png", 2), ("results/ö ne+1.png", 1)]
    assert sorted(e.key for e in storage.list("a/")) == ["a/b/results/two.png", "a/b/results/ö ne+1.png", "a/b/zero"]
    assert all(entry.modified.tzinfo is not None for entry in deep.list())
    deep.write("results/two.png", b"333")
    assert deep.read("results/two.png") == b"333"
    for _ in range(2):
        deep.delete("results/two.png")
    assert not deep.exists("results/two.png")
    assert deep.exists("zero")
    with pytest.raises(KeyNotFound, match="there is no such object"):
        deep.read("results/two.png")


def test_a_stream_of_several_parts_comes_back_whole(storage: S3Storage, large: bytes) -> None:
    with storage.open_read("large") as stream:
        assert stream.read(10) == large[:10]
        assert stream.read() == large[10:]
    assert [entry.size for entry in storage.list("large")] == [len(large)]
    storage.write("large/again", io.BytesIO(large))
    storage.delete("large/again")
    assert not storage.exists("large/again")


def test_more_than_a_page_is_listed(storage: S3Storage) -> None:
    names = [f"many/{number:02}" for number in range(45)]  # a page has 20
    for name in names:
        storage.write(name, b"")
    assert [entry.key for entry in storage.list("many/")] == names


def test_a_wrong_secret_is_said(endpoint: str, storage: S3Storage) -> None:
    wrong = connect(endpoint, secret_key="guessed")
    for use in (lambda: wrong.read("a"), lambda: wrong.write("a", b""), lambda: list(wrong.list())):
        with pytest.raises(StorageError, match=r"SignatureDoesNotMatch, .* Check AWS_ACCESS_KEY_ID and") as caught:
            use()
        assert "guessed" not in str(caught.value)


def test_an_unknown_key_is_said(endpoint: str, storage: S3Storage) -> None:
    unknown = connect(endpoint, access_key="test:nobody")
    with pytest.raises(StorageError, match=r"(InvalidAccessKeyId|AccessDenied|SignatureDoesNotMatch), .* Check AWS_"):
        unknown.read("a")


def test_a_missing_bucket_is_said(endpoint: str) -> None:
    nowhere = connect(endpoint, bucket="nowhere")
    for use in (lambda: nowhere.read("a"), lambda: nowhere.write("a", b"1"), lambda: list(nowhere.list())):
        with pytest.raises(StorageError, match=r"NoSuchBucket, .* Create the bucket, or correct its name"):
            use()
    with pytest.raises(StorageError, match="No bucket 'nowhere'"):
        nowhere.exists("a")


def test_a_download_that_is_cut_off_goes_on(proxy: CuttingProxy, large: bytes) -> None:
    proxy.cuts = [300, 1_000_000, 0, 5_000_000]
    assert connect(proxy.url).read("large") == large
    assert proxy.connections >= 4


def test_uploads_whose_answers_are_lost_are_repeated(proxy: CuttingProxy, storage: S3Storage, large: bytes) -> None:
    near = connect(proxy.url)
    proxy.cuts = [0, 0]
    near.write("repeated", b"content")
    assert storage.read("repeated") == b"content"
    proxy.cuts = [0, 0]
    connect(proxy.url).write("repeated", io.BytesIO(large))
    assert storage.read("repeated") == large


def test_a_slow_way_is_no_failure(proxy: CuttingProxy, large: bytes) -> None:
    proxy.rate = len(large) // 2
    start = time.monotonic()
    assert connect(proxy.url).read("large") == large
    assert time.monotonic() - start >= 2.0
    assert proxy.connections == 1


def test_versions_are_registered_promoted_and_rolled_back(
    endpoint: str,
    storage: S3Storage,
    shop: Shop,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret_key"])
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    archive = open_storage(f"s3://{BUCKET}/archive")
    shop.register(archive, "1", layout=shop.layout())
    shop.register(archive, "2")
    promote(archive, "tiny_x4", "1")
    promote(archive, "tiny_x4", "2")
    assert {each.version: each.stage for each in list_versions(archive)} == {"1": "retired", "2": "serving"}
    assert rollback(archive, "tiny_x4").current == "1"
    serving = serving_version(archive, "tiny_x4")
    assert serving is not None
    assert serving.version == "1"
    assert show(archive, "tiny_x4", "1").metrics == {"set5_psnr_y": 31.0}
    assert storage.exists("archive/models/tiny_x4/serving.json")
