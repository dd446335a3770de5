"""S3Storage: a bucket at any S3 endpoint, through MinIO's client. Opened by storage.open_storage.

A request that fails on the way is repeated by urllib3 (connecting, 5xx, 503 SlowDown); a download that is
cut off goes on where it stopped, on another connection, as long as the object is still the same one.
S3 itself makes an object visible only when all of it has arrived.
"""

import io
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from minio import Minio
from minio.error import MinioException, S3Error
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Retry

from loupe.errors import StorageError
from loupe.storage import ANY, CHUNK, Entry, KeyNotFound, checked_key, checked_prefix

RETRIES = 4
PART = 16 * 1024**2  # bytes a part of a streamed upload; S3 takes 10,000 of them, so up to 160 GB
CREDENTIALS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
ADVICE = {
    "NoSuchBucket": "Create the bucket, or correct its name.",
    "AccessDenied": f"{CREDENTIALS} They may lack this permission.",
    "InvalidAccessKeyId": CREDENTIALS,
    "SignatureDoesNotMatch": CREDENTIALS,
    "PreconditionFailed": "It was replaced while it was being read; read it again.",
}


def from_environment(bucket: str, prefix: str) -> "S3Storage":
    """As S3_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION say."""
    access_key, secret_key = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        raise StorageError(
            f"s3://{bucket}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set in the environment. "
            "Set them, and S3_ENDPOINT_URL unless it is Amazon's."
        )
    return S3Storage(
        bucket,
        prefix,
        endpoint=os.environ.get("S3_ENDPOINT_URL") or "https://s3.amazonaws.com",
        access_key=access_key,
        secret_key=secret_key,
        session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        region=os.environ.get("AWS_REGION") or None,
    )


class S3Storage:
    """The keys under ``prefix`` of a bucket. Thread-safe."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
        region: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        """``timeout`` is seconds without a byte; without ``region`` the endpoint is asked for the bucket's."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            raise StorageError(f"S3_ENDPOINT_URL: got {endpoint!r}, expected http(s)://host:port without a path")
        self.bucket = bucket
        self.prefix = f"{checked_key(prefix)}/" if prefix else ""
        self._endpoint = f"{parts.scheme}://{parts.netloc}"
        retries = Retry(
            total=RETRIES,
            backoff_factor=0.2,
            backoff_jitter=0.2,
            backoff_max=5,
            status_forcelist=(500, 502, 503, 504),
            allowed_methods=None,  # POST too: it only begins and ends uploads of parts
            raise_on_status=False,  # the last answer says more than "too many retries"
            retry_after_max=10,
        )
        patience = Timeout(connect=min(timeout, 5.0), read=timeout)
        try:
            self._client = Minio(
                parts.netloc,
                access_key,
                secret_key,
                session_token,
                secure=parts.scheme == "https",
                region=region,
                http_client=PoolManager(maxsize=16, timeout=patience, retries=retries),
            )
        except ValueError as error:
            raise StorageError(f"S3_ENDPOINT_URL or AWS_REGION: {error}") from error
        self._bucket_seen = False

    def read(self, key: str) -> bytes:
        with self.open_read(key) as stream:
            return stream.read()

    def open_read(self, key: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Download(self, key), CHUNK))

    def write(self, key: str, data: bytes | BinaryIO, media_type: str = ANY) -> None:
        length = len(data) if isinstance(data, bytes) else -1
        stream = io.BytesIO(data) if isinstance(data, bytes) else data
        name = self._name(key)
        with self.told("write", key):
            self._client.put_object(self.bucket, name, stream, length, media_type, part_size=PART)

    def exists(self, key: str) -> bool:
        name = self._name(key)
        try:
            with self.told("look for", key):
                self._client.stat_object(self.bucket, name)
        except KeyNotFound:
            self._check_bucket()  # a HEAD answers a missing key and a missing bucket with the same 404
            return False
        return True

    def delete(self, key: str) -> None:
        name = self._name(key)
        with self.told("delete", key):
            self._client.remove_object(self.bucket, name)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        begin = self.prefix + checked_prefix(prefix)
        with self.told("list", prefix):
            for found in self._client.list_objects(self.bucket, begin, recursive=True):
                name = found.object_name or ""
                if not name.endswith("/") and found.last_modified is not None:  # "folder/": a console's marker
                    yield Entry(name.removeprefix(self.prefix), found.size or 0, found.last_modified)

    def get(self, key: str, offset: int, etag: str) -> BaseHTTPResponse:
        """The object from byte ``offset`` on; with ``etag``, only if it is still that one."""
        name = self._name(key)
        headers: dict[str, str | list[str] | tuple[str]] = {"If-Match": etag} if etag else {}
        with self.told("read", key):
            return self._client.get_object(self.bucket, name, offset=offset, request_headers=headers)

    @contextmanager
    def told(self, verb: str, key: str) -> Iterator[None]:
        """Turns what S3 and the way to it say into our errors, with the next step where we know one."""
        what = f"Cannot {verb} s3://{self.bucket}/{self.prefix}{key} at {self._endpoint}"
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise KeyNotFound(f"{what}: there is no such object") from error
            said = f"{error.code}, {error.message}".rstrip(".")
            raise StorageError(f"{what}: {said}. {ADVICE.get(error.code or '', '')}".rstrip()) from error
        except (MinioException, ParseError, ValueError) as error:
            # No S3 there (a page, no XML), or a bucket's name that cannot be one.
            raise StorageError(f"{what}: {error}. Check S3_ENDPOINT_URL and the bucket's name.") from error
        except HTTPError as error:
            raise StorageError(f"{what}: {error}. Does it run, and is S3_ENDPOINT_URL right?") from error

    def _name(self, key: str) -> str:
        return self.prefix + checked_key(key)

    def _check_bucket(self) -> None:
        if not self._bucket_seen:
            with self.told("find", ""):
                self._bucket_seen = self._client.bucket_exists(self.bucket)
            if not self._bucket_seen:
                raise StorageError(f"No bucket {self.bucket!r} at {self._endpoint}. {ADVICE['NoSuchBucket']}")


class _Download(io.RawIOBase):
    """An object's bytes, over as many connections as it takes."""

    def __init__(self, storage: S3Storage, key: str) -> None:
        super().__init__()
        self._storage, self._key = storage, key
        self._position = 0
        self._failures = 0
        self._etag = ""
        self._open()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a Buffer has no length
        while True:
            try:
                piece = self._response.read(len(buffer))
            except HTTPError as error:
                self._forgive(error)
                self._open()
            else:
                buffer[: len(piece)] = piece
                self._position += len(piece)
                return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._response.close()
            self._response.release_conn()
        super().close()

    def _open(self) -> None:
        """Ask for what is still missing."""
        while True:
            self._response = self._storage.get(self._key, self._position, self._etag)
            if "content-length" in self._response.headers:
                self._etag = self._response.headers.get("etag", "")
                return
            # A connection that is cut within the headers looks to http.client like a whole answer, of 0 bytes.
            self._forgive(ProtocolError("the connection was cut off within the headers"))

    def _forgive(self, error: HTTPError) -> None:
        """Wait before the next connection; StorageError when there were enough."""
        self._response.close()
        self._failures += 1
        if self._failures > RETRIES:
            with self._storage.told("read", self._key):
                raise error
        time.sleep(0.1 * 2**self._failures * random.uniform(1.0, 1.5))
