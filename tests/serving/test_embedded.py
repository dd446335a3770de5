"""What only the embedded server promises: readiness, clients that go away, gRPC, clear ends."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file, save_file

from loupe.checkpoint import METADATA_KEY, read_info
from loupe.images import decode
from loupe.remote import RemoteBackend
from tests.serving.conftest import DRAWS
from tests.serving.servers import MAX_BYTES, Server, make_png, pixels_of, started, until, v2_body, wait_for

PNG = make_png(40, 30)


def run_serving(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "serving", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_clients_that_go_away_from_the_line_free_their_place(embedded: Server) -> None:
    body = v2_body(make_png(640, 640))
    for _ in range(12):  # more than may wait: each must have left before the next is taken in
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{embedded.url}/v2/models/slow_x2/infer", json=body, timeout=httpx.Timeout(10, read=0.2))
    assert embedded.v2("tiny_x4", PNG).status_code == 200


def test_health_and_metadata(embedded: Server) -> None:
    assert httpx.get(f"{embedded.url}/v2/health/live").json() == {"live": True}
    assert httpx.get(f"{embedded.url}/v2/health/ready").json() == {"ready": True}
    assert httpx.get(f"{embedded.url}/v2/models/tiny_x4/ready").json() == {"name": "tiny_x4", "ready": True}
    assert httpx.get(f"{embedded.url}/v1/models").json() == {"models": ["tiny_x4", "slow_x2", DRAWS]}
    metadata = httpx.get(f"{embedded.url}/v2/models/tiny_x4").json()
    assert metadata["inputs"] == metadata["outputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
    assert httpx.get(f"{embedded.url}/v2/models/nobody").status_code == 404


def test_a_model_cannot_be_taken_away_over_the_network(embedded: Server) -> None:
    response = httpx.post(f"{embedded.url}/v2/repository/models/tiny_x4/unload")
    assert response.status_code == 501
    assert "chosen when the server starts" in response.json()["error"]
    assert embedded.v2("tiny_x4", PNG).status_code == 200


def test_the_binary_extension_is_refused_clearly(embedded: Server) -> None:
    response = httpx.post(
        f"{embedded.url}/v2/models/tiny_x4/infer", content=PNG, headers={"inference-header-content-length": "10"}
    )
    assert response.status_code == 400
    assert "send base64" in response.json()["error"]


def test_a_body_without_a_length_is_limited_too(embedded: Server) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(MAX_BYTES // 10)

    response = httpx.post(f"{embedded.url}/v2/models/tiny_x4/infer", content=chunks())
    assert response.status_code == 413
    assert "larger than" in response.json()["error"]


def test_bodies_that_are_held_back_do_not_fill_the_memory(embedded: Server) -> None:
    host, port = embedded.url.removeprefix("http://").split(":")
    head = f"POST /v2/models/tiny_x4/infer HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1300000\r\n\r\n{{"
    slow = [socket.create_connection((host, int(port))) for _ in range(3)]
    for connection in slow:
        connection.sendall(head.encode())
    time.sleep(0.5)
    response = embedded.v2("tiny_x4", bytes(700_000))
    assert response.status_code == 503
    assert "bytes of other requests are waiting" in response.json()["error"]
    assert int(response.headers["retry-after"]) >= 1
    assert embedded.v2("tiny_x4", PNG).status_code == 200  # there is room for a small one
    for connection in slow:
        connection.close()
    until(lambda: embedded.v2("tiny_x4", bytes(700_000)).status_code == 400)  # read, and no picture
    assert "Traceback" not in embedded.log.read_text()


def test_it_listens_on_this_machine_only(embedded: Server) -> None:
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.Process(embedded.process.pid).connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == 2  # HTTP and gRPC
    assert set(listening) == {"127.0.0.1"}


def test_alive_before_the_models_are_ready(environment: dict[str, str], models_dir: Path, tmp_path: Path) -> None:
    """A transformer whose predictor is not up yet is alive, not ready, and says so; then it is, and works."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    transformer_log, predictor_log = tmp_path / "transformer", tmp_path / "predictor"
    with transformer_log.open("wb") as output:
        transformer = start_transformer(environment, port, output)
    try:
        url = wait_for(r"HTTP on (http://\S+),", transformer, transformer_log)
        assert httpx.get(f"{url}/v2/health/live").json() == {"live": True}
        for path in ("/v2/health/ready", "/v2/models/big_x4/ready"):
            response = httpx.get(url + path)
            assert response.status_code == 503
            assert "not ready" in response.json()["error"]
        response = httpx.post(f"{url}/v2/models/big_x4/infer", json=v2_body(PNG))
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        arguments = ["serving", "--models", "tiny_x4", "--backend", "torch", "--port", str(port)]
        with started("embedded", arguments, environment, predictor_log) as predictor:
            until(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 200)
            before = predictor.metric("loupe_requests_total", status="200")
            picture = make_png(150, 90)
            through = httpx.post(f"{url}/v2/models/big_x4/infer", json=v2_body(picture), timeout=30)
            assert through.json()["model_name"] == "big_x4"
            direct = predictor.v2("tiny_x4", picture)
            assert np.abs(pixels_of(through) - pixels_of(direct)).max() <= 1
            # 4 x 2 tiles of 48, and the one request of ours
            assert predictor.metric("loupe_requests_total", status="200") - before == 9
    finally:
        transformer.terminate()
        assert transformer.wait(20) == 0


def start_transformer(environment: dict[str, str], port: int, output: object) -> subprocess.Popen[bytes]:
    command = [
        "-m",
        "serving.transformer",
        "--model_name",
        "big_x4",
        "--predictor-model",
        "tiny_x4",
        "--host",
        "127.0.0.1",
    ]
    return subprocess.Popen(
        [sys.executable, *command, "--host", "127.0.0.1", "--predictor_host", f"127.0.0.1:{port}"],
        env={**os.environ, **environment},
        stdout=output,  # type: ignore[arg-type]
        stderr=subprocess.STDOUT,
    )


def test_a_taken_port_is_said_in_one_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option, purpose in (("--port", "HTTP"), ("--grpc-port", "gRPC")):
            ended = run_serving(environment, option, str(port))
            assert ended.returncode == 10
            assert f"port {port} of 127.0.0.1 for {purpose} is taken by another program" in ended.stderr
            assert option in ended.stderr
            assert "Traceback" not in ended.stderr


def test_an_unknown_model_is_said_in_one_line(environment: dict[str, str]) -> None:
    ended = run_serving(environment, "--models", "nobody_x4")
    assert ended.returncode == 5
    assert "nobody_x4" in ended.stderr
    assert "tiny_x4" in ended.stderr
    assert "Traceback" not in ended.stderr


def damage(source: Path, target: Path, name: str, **more: str) -> None:
    """A checkpoint whose weights are not numbers."""
    tensors = {key: np.full_like(value, np.nan) for key, value in load_file(source).items()}
    info = read_info(source).model_copy(update={"name": name, **more})
    save_file(tensors, target, metadata={METADATA_KEY: info.model_dump_json()})


def test_a_damaged_checkpoint_does_not_take_the_others_down(
    environment: dict[str, str], models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny_x4.safetensors").write_bytes((models_dir / "tiny_x4.safetensors").read_bytes())
    damage(models_dir / "tiny_x4.safetensors", tmp_path / "nan_x4.safetensors", "nan_x4")
    environment = {**environment, "LOUPE_MODELS_DIR": str(tmp_path)}
    arguments = ["serving", "--models", "nan_x4,tiny_x4", "--backend", "torch"]
    with started("embedded", arguments, environment, tmp_path / "log") as server:
        assert "nan_x4 cannot be served" in server.log.read_text()
        assert server.v2("tiny_x4", PNG).status_code == 200
        assert httpx.get(f"{server.url}/v2/health/ready").status_code == 200
        response = server.v2("nan_x4", PNG)
        assert response.status_code == 500
        assert "NaN" in response.json()["error"]
    ended = run_serving(environment, "--models", "nan_x4", "--backend", "torch")
    assert ended.returncode == 6
    assert "none of the models can be served" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_importing_serving_is_light() -> None:
    heavy = "{'torch', 'kserve', 'ts', 'openvino', 'fastapi'}"
    code = f"import sys, serving, serving.settings, serving.contract; print(sorted({heavy} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


@pytest.fixture(scope="module")
def kserve() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import: pydantic's and protobuf's words to kserve, not to us
        import kserve as module

        return module


def infer_grpc(
    kserve: ModuleType, url: str, *pictures: bytes, model: str = "tiny_x4", timeout: float = 30, **options: object
) -> object:
    tensor = kserve.InferInput(name="image", shape=[len(pictures)], datatype="BYTES", data=list(pictures))
    message = kserve.InferRequest(model_name=model, infer_inputs=[tensor], parameters=options, request_id="42")

    async def ask() -> object:
        client = kserve.InferenceGRPCClient(url=url, retries=0)
        try:
            return await client.infer(message, timeout=timeout)
        finally:
            await client.close()

    return asyncio.run(ask())


@pytest.fixture
def grpc_url(embedded: Server) -> str:
    found = re.search(r"gRPC on ([^;]+)", embedded.log.read_text())
    assert found
    return found[1]


def test_grpc_v2(embedded: Server, grpc_url: str, kserve: ModuleType) -> None:
    answer = infer_grpc(kserve, grpc_url, PNG, b"bad", PNG, format="PNG", width=80)
    assert (answer.model_name, answer.model_version, answer.id) == ("tiny_x4", "7", "42")
    first, bad, last = answer.outputs[0].data
    picture = decode(first)
    assert (picture.width, picture.height) == (80, 60)
    assert first == last
    assert bad == b""
    parameters = {key: value.int64_param or value.string_param for key, value in answer.parameters.items()}
    assert parameters["scale"] == 4
    assert list(json.loads(parameters["errors"])) == ["1"]
    direct = pixels_of(embedded.v2("tiny_x4", PNG, width=80))
    assert np.array_equal(picture.color, direct)


def test_grpc_draws(embedded: Server, grpc_url: str, kserve: ModuleType) -> None:
    options = {"samples": 2, "temperature": "0.8"}  # as text: KServe's client sends no other fractions
    answer = infer_grpc(kserve, grpc_url, make_png(3, 2), model=DRAWS, **options)
    assert [(output.name, list(output.shape)) for output in answer.outputs] == [("image", [1, 2]), ("entropy", [1, 2])]
    direct = embedded.v2(DRAWS, make_png(3, 2), **options)
    for index, data in enumerate(np.ravel(answer.outputs[0].data)):
        assert np.array_equal(decode(data).color, pixels_of(direct, index))


def test_a_grpc_client_that_goes_away_stops_the_work(embedded: Server, grpc_url: str, kserve: ModuleType) -> None:
    import grpc

    given_up = embedded.metric("loupe_requests_total", model="slow_x2", status="499")
    with pytest.raises(grpc.RpcError):
        infer_grpc(kserve, grpc_url, make_png(640, 640), model="slow_x2", timeout=1)
    until(lambda: embedded.metric("loupe_requests_total", model="slow_x2", status="499") == given_up + 1)
    until(lambda: embedded.metric("loupe_requests_in_flight", model="slow_x2") == 0)


@pytest.mark.parametrize(
    ("pictures", "options", "model", "code", "said"),
    [
        ([b"bad"], {}, "tiny_x4", "INVALID_ARGUMENT", ""),
        ([PNG], {"quality": 900}, "tiny_x4", "INVALID_ARGUMENT", "quality: got 900, expected"),
        ([PNG], {}, "nobody", "NOT_FOUND", "nobody"),
        ([PNG] * 9, {}, "tiny_x4", "RESOURCE_EXHAUSTED", "got 9 pictures"),
    ],
)
def test_grpc_errors(
    grpc_url: str,
    kserve: ModuleType,
    pictures: list[bytes],
    options: dict[str, object],
    model: str,
    code: str,
    said: str,
) -> None:
    import grpc

    with pytest.raises(grpc.RpcError) as failure:
        infer_grpc(kserve, grpc_url, *pictures, model=model, **options)
    assert failure.value.code().name == code
    assert said in failure.value.details()


def test_whole_pictures_are_counted_for_drift_and_tiles_are_not(embedded: Server) -> None:
    def counted() -> float:
        return embedded.metric("loupe_picture_feature_count", model="tiny_x4", feature="light_mean")

    time.sleep(0.5)  # the pictures of other tests are measured by then
    before = counted()
    with RemoteBackend(embedded.url, "tiny_x4") as backend:
        assert backend(np.zeros((2, 3, 16, 16), np.float32)).shape == (2, 3, 64, 64)
    assert counted() == before
    for sent, picture in enumerate((PNG, make_png(30, 40)), 1):
        embedded.v2("tiny_x4", picture)
        until(lambda sent=sent: counted() == before + sent)  # type: ignore[misc]
    embedded.v2("tiny_x4", b"no picture")
    assert counted() == before + 2
