"""S3Storage against moto's S3 server, with a TCP proxy between them that cuts connections."""

import io
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loupe.errors import StorageError
from loupe.s3 import PART, S3Storage
from loupe.storage import KeyNotFound, open_storage
from tests.loupe.cutting import CuttingProxy

BUCKET = "pictures"


@pytest.fixture(scope="module")
def endpoint(moto: str) -> str:
    return moto


@pytest.fixture
def storage(endpoint: str) -> Iterator[S3Storage]:
    opened = connect(endpoint)
    opened._client.make_bucket(BUCKET)
    yield opened
    post_to_moto(endpoint, "reset")


def connect(endpoint: str, bucket: str = BUCKET, prefix: str = "", timeout: float = 5) -> S3Storage:
    return S3Storage(
        bucket,
        prefix,
        endpoint=endpoint,
        access_key="somebody",
        secret_key="something",
        region="us-east-1",
        timeout=timeout,
    )


@pytest.fixture
def proxy(endpoint: str) -> Iterator[CuttingProxy]:
    running = CuttingProxy(endpoint)
    yield running
    running.listener.close()


def test_what_is_written_is_read_listed_and_deleted(storage: S3Storage, endpoint: str) -> None:
    deep = connect(endpoint, prefix="a/b")
    deep.write("results/one.png", b"1", media_type="image/png")
    deep.write("results/two.png", b"22")
    deep.write("zero", b"")
    assert deep.read("results/one.png") == b"1"
    assert deep.read("zero") == b""
    assert [(entry.key, entry.size) for entry in deep.list("results/")] == [
        ("results/one.png", 1),
        ("results/two.png", 2),
    ]
    assert [entry.key for entry in storage.list()] == ["a/b/results/one.png", "a/b/results/two.png", "a/b/zero"]
    assert all(entry.modified.tzinfo is not None for entry in deep.list())
    assert storage._client.stat_object(BUCKET, "a/b/results/one.png").content_type == "image/png"
    deep.delete("results/one.png")
    deep.delete("results/one.png")
    assert not deep.exists("results/one.png")
    assert deep.exists("results/two.png")


def test_a_stream_of_several_parts_comes_back_whole(storage: S3Storage) -> None:
    content = os.urandom(PART + 12_345)
    storage.write("large", io.BytesIO(content))
    assert storage.read("large") == content
    with storage.open_read("large") as stream:
        assert stream.read(10) == content[:10]
        assert stream.read() == content[10:]


def test_a_source_that_fails_half_way_writes_nothing(storage: S3Storage) -> None:
    class Failing(io.RawIOBase):
        left = PART + 1000

        def read(self, size: int = -1) -> bytes:
            if self.left <= 0:
                raise OSError("the source went away")
            self.left -= size
            return bytes(size)

    with pytest.raises(OSError, match="the source went away"):
        storage.write("large", Failing())  # type: ignore[arg-type]
    assert not storage.exists("large")
    uploads = storage._client._list_multipart_uploads(BUCKET).uploads
    assert not uploads


def test_a_missing_key_is_told(storage: S3Storage) -> None:
    with pytest.raises(KeyNotFound, match=r"Cannot read s3://pictures/nothing at http.*no such object"):
        storage.read("nothing")


def test_a_key_that_leads_elsewhere_is_refused(storage: S3Storage) -> None:
    for use in (storage.read, storage.exists, storage.delete, lambda key: storage.write(key, b"")):
        with pytest.raises(StorageError, match="Not a storage key"):
            use("../secret")
    with pytest.raises(StorageError, match="Not a storage key"):
        list(storage.list("../"))


def test_a_missing_bucket_is_told(endpoint: str) -> None:
    missing = connect(endpoint, bucket="not-there")
    for use in (missing.read, missing.exists, missing.delete, lambda key: missing.write(key, b"")):
        with pytest.raises(StorageError, match=r"bucket.*Create the bucket") as caught:
            use("a")
        assert not isinstance(caught.value, KeyNotFound)
    with pytest.raises(StorageError, match="Create the bucket"):
        list(missing.list())


def test_a_bucket_that_cannot_be_one_is_told(endpoint: str) -> None:
    with pytest.raises(StorageError, match="bucket"):
        connect(endpoint, bucket="A B").read("a")


def post_to_moto(endpoint: str, action: str, data: bytes = b"") -> None:
    request = urllib.request.Request(f"{endpoint}/moto-api/{action}", data, {"Content-Type": "text/plain"})
    urllib.request.urlopen(request).close()


def test_wrong_credentials_are_told(storage: S3Storage, endpoint: str) -> None:
    post_to_moto(endpoint, "reset-auth", b"0")
    try:
        with pytest.raises(StorageError, match=r"InvalidAccessKeyId.*Check AWS_ACCESS_KEY_ID"):
            storage.write("a", b"1")
    finally:
        post_to_moto(endpoint, "reset-auth", b"inf")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html><p>Welcome</html>")

    def log_message(self, *_: object) -> None:
        pass


def test_something_else_at_the_endpoint_is_told() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            with pytest.raises(StorageError, match=f"Cannot list s3://pictures/ at {url}.*Check S3_ENDPOINT_URL"):
                list(connect(url).list())
        finally:
            server.shutdown()


@pytest.mark.parametrize("cuts", [[0], [20], [60_000], [200_000, 100_000]])
def test_a_download_that_is_cut_off_goes_on_where_it_stopped(
    storage: S3Storage, proxy: CuttingProxy, cuts: list[int]
) -> None:
    content = os.urandom(700_000)
    storage.write("large", content)
    proxy.cuts = list(cuts)
    assert connect(proxy.url).read("large") == content
    assert proxy.connections == len(cuts) + 1


def test_a_download_does_not_mix_two_objects(storage: S3Storage, proxy: CuttingProxy) -> None:
    storage.write("large", bytes(3_000_000))
    proxy.cuts = [2_000_000]
    with connect(proxy.url).open_read("large") as stream:
        assert stream.read(1000) == bytes(1000)
        storage.write("large", b"\1" * 3_000_000)
        with pytest.raises(StorageError, match="replaced while it was being read"):
            stream.read()


def test_a_download_that_never_gets_through_is_told(
    storage: S3Storage, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loupe.s3.RETRIES", 1)
    storage.write("large", os.urandom(700_000))
    proxy.cuts = [50_000] * 20
    with pytest.raises(StorageError, match=r"Cannot read s3://pictures/large.*S3_ENDPOINT_URL"):
        connect(proxy.url).read("large")


def test_an_upload_that_is_cut_off_is_repeated(storage: S3Storage, proxy: CuttingProxy) -> None:
    content = os.urandom(700_000)
    proxy.cuts = [0, 5]
    connect(proxy.url).write("large", content)
    assert storage.read("large") == content


def test_an_endpoint_that_is_down_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(StorageError, match=rf"Cannot write s3://pictures/a at http://127.0.0.1:{port}.*refused"):
        connect(f"http://127.0.0.1:{port}").write("a", b"")
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("endpoint_url", ["localhost:9000", "ftp://host", "http://host/path"])
def test_an_endpoint_that_is_none_is_refused(endpoint_url: str) -> None:
    with pytest.raises(StorageError, match="S3_ENDPOINT_URL"):
        connect(endpoint_url)


def test_an_address_opens_a_bucket(storage: S3Storage, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(StorageError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"):
        open_storage(f"s3://{BUCKET}")
    for name, value in (("ACCESS_KEY_ID", "somebody"), ("SECRET_ACCESS_KEY", "something"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("S3_ENDPOINT_URL", endpoint + "/")
    open_storage(f"s3://{BUCKET}/deep/er/").write("a", b"1")
    assert storage.read("deep/er/a") == b"1"
