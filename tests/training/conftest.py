"""A pack of real photos, made once, and a bucket."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from minio import Minio
from moto.server import ThreadedMotoServer

from training.pack import Pack, open_pack, pack_pictures


@pytest.fixture(scope="session")
def pack(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("packs") / "photos"
    return open_pack(pack_pictures(sorted(photos.iterdir()), folder, scales=(2, 4)))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """``s3://bucket/prefix`` on a server that runs for one test, with the environment that leads there."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("S3_ENDPOINT_URL", f"http://{host}:{port}")
    for name, value in (("ACCESS_KEY_ID", "somebody"), ("SECRET_ACCESS_KEY", "something"), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    Minio(f"{host}:{port}", "somebody", "something", secure=False, region="us-east-1").make_bucket("pictures")
    yield "s3://pictures/set"
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    server.stop()
