"""The ServingRuntimes: against KServe's definitions, against our own command lines, and as processes."""

import base64
import copy
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import typer

import serving.__main__
from loupe.ports import free_port
from serving.archive import write_layout
from serving.runtimes import (
    MODELS,
    Manifest,
    serving_runtime_native,
    serving_runtime_torchserve,
)
from serving.settings import ServingSettings
from tests.crds import CRD, find_crds, problems
from tests.serving.servers import ENVIRONMENT, make_png, pixels_of, started, v2_body

IMAGE = "registry.example/loupe-serving:1.0"
RUNTIMES = (serving_runtime_native(image=IMAGE), serving_runtime_torchserve(image=IMAGE, namespace="ml"))


@cache
def definitions(folder: Path) -> list[CRD]:
    return find_crds(folder, "ServingRuntime")


def container_of(manifest: Manifest) -> Manifest:
    (container,) = manifest["spec"]["containers"]
    return dict(container)


def variables_of(container: Manifest) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


def test_they_fit_every_release(crds: Path) -> None:
    assert len({crd.release for crd in definitions(crds)}) >= 3
    for crd in definitions(crds):
        for manifest in RUNTIMES:
            assert problems(manifest, crd) == [], crd.release


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"containers": None}, "null"),
        ({"containers": [{"image": "x"}]}, "no name"),
        ({"containers": [{"name": "x", "privileged": True}]}, "unknown field privileged"),
        ({"containers": [{"name": "x", "ports": [{"containerPort": "8080"}]}]}, "'8080' is no integer"),
        ({"securityContext": {}}, "unknown field securityContext"),
        ({"multiModel": "false"}, "'false' is no boolean"),
        ({"supportedModelFormats": [{"name": "loupe", "priority": 0}]}, "0 is out of bounds"),
    ],
)
def test_a_wrong_runtime_is_refused(crds: Path, change: dict[str, Any], said: str) -> None:
    for crd in definitions(crds):
        manifest = copy.deepcopy(RUNTIMES[0])
        manifest["spec"].update(change)
        assert any(said in problem for problem in problems(manifest, crd)), crd.release


@pytest.mark.parametrize("manifest", RUNTIMES, ids=["native", "torchserve"])
def test_they_keep_to_the_restricted_profile(manifest: Manifest) -> None:
    container = container_of(manifest)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (mount,), (volume,) = container["volumeMounts"], manifest["spec"]["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/tmp")
    assert volume["emptyDir"] == {}
    assert container["name"] == "kserve-container"
    assert len(container["ports"]) == 1
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@pytest.mark.parametrize("manifest", RUNTIMES, ids=["native", "torchserve"])
def test_every_variable_of_ours_is_a_setting(manifest: Manifest) -> None:
    names = [name for name in variables_of(container_of(manifest)) if name.startswith("LOUPE_")]
    assert names
    assert {name.removeprefix("LOUPE_").lower() for name in names} <= ServingSettings.model_fields.keys()


def test_the_native_arguments_fit_the_command_line() -> None:
    container = container_of(RUNTIMES[0])
    assert container["command"] == ["python", "-m", "serving"]
    app = typer.Typer()
    app.command()(serving.__main__.main)
    context = typer.main.get_command(app).make_context("serving", list(container["args"]))
    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", container["ports"][0]["containerPort"])
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8080}
    assert variables_of(container)["LOUPE_MODELS_DIR"] == "/mnt/models"


def test_a_container_drains_before_it_stops_but_not_in_knative() -> None:
    for manifest in RUNTIMES:
        assert container_of(manifest)["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "10"]}}}
    for make in (serving_runtime_native, serving_runtime_torchserve):
        container = container_of(make(image=IMAGE, drain_seconds=0, load_seconds=600))
        assert "lifecycle" not in container
        probe = container["startupProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] == 600


def test_more_variables_win() -> None:
    manifest = serving_runtime_native(image=IMAGE, env={"LOUPE_BACKEND": "torch", "HOME": "/tmp/home"})
    assert variables_of(container_of(manifest))["LOUPE_BACKEND"] == "torch"
    assert variables_of(container_of(manifest))["HOME"] == "/tmp/home"


def test_the_native_container_serves_the_version_that_is_mounted(models_dir: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "models"
    mounted.mkdir()
    shutil.copy(models_dir / "tiny_x4.safetensors", mounted)
    (mounted / "version.json").write_text("{}")
    container = container_of(RUNTIMES[0])
    environment = {name: value.replace(MODELS, str(mounted)) for name, value in variables_of(container).items()}
    environment = {**ENVIRONMENT, **environment, "LOUPE_SERVE_MODELS": "tiny_x4", "LOUPE_BACKEND": "torch"}
    arguments = [*container["command"][2:], *container["args"]]
    arguments[arguments.index("--port") + 1] = "0"
    with started("embedded", arguments, environment, tmp_path / "log") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{url}{container['readinessProbe']['httpGet']['path']}").status_code == 200
        answer = httpx.post(f"{url}/v2/models/tiny_x4/infer", json=v2_body(make_png(20, 10)), timeout=60)
        assert pixels_of(answer).shape == (40, 80, 3)


@pytest.mark.torchserve
@pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning")  # as in test_archive.py
def test_the_torchserve_container_serves_the_archive_and_stops(models_dir: Path, tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("TorchServe needs Java")
    mounted, writable = tmp_path / "models", tmp_path / "tmp"
    writable.mkdir()
    numbers = [free_port("127.0.0.1", 0, purpose="a test", choose="") for _ in range(5)]
    infer, management, metrics, grpc, grpc_management = numbers
    packed = ServingSettings(
        models_dir=models_dir, http_host="127.0.0.1", grpc_port=grpc, grpc_management_port=grpc_management
    )
    write_layout(mounted, ["tiny_x4"], packed)
    container = container_of(RUNTIMES[1])

    def here(text: str) -> str:
        for there, ours in ((MODELS, mounted), ("/tmp", writable), (":8085", f":{infer}"), (":8083", f":{metrics}")):
            text = text.replace(there, str(ours))
        return text.replace("8082", str(management)).replace("0.0.0.0", "127.0.0.1")

    environment = {**os.environ, **ENVIRONMENT, "LOUPE_BACKEND": "torch", "LOUPE_SERVE_MODELS": "tiny_x4"}
    environment |= {name: here(value) for name, value in variables_of(container).items()}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [container["command"][0], container["command"][1], container["command"][2].replace(MODELS, str(mounted))]
    probe = [sys.executable, *container["startupProbe"]["exec"]["command"][1:]]
    url, log = f"http://127.0.0.1:{infer}", tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=writable, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while subprocess.run(probe, env=environment, check=False, capture_output=True).returncode:
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.5)
        assert httpx.get(f"{url}/ping").status_code == 200
        body = {"inputs": v2_body(make_png(20, 10))["inputs"]}
        assert pixels_of(httpx.post(f"{url}/v2/models/tiny_x4/infer", json=body, timeout=60)).shape == (40, 80, 3)
        raw = httpx.post(f"{url}/predictions/tiny_x4", content=base64.b64decode(body["inputs"][0]["data"][0]))  # type: ignore[index]
        assert raw.status_code == 200
        children = psutil.Process(process.pid).children(recursive=True)
        assert any("java" in child.name() for child in children)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        psutil.wait_procs(children, timeout=10)
        assert not [child for child in children if child.is_running() and child.status() != "zombie"]
    finally:
        for left in (*psutil.Process(process.pid).children(recursive=True), process) if process.poll() is None else ():
            left.kill()
        process.wait()
