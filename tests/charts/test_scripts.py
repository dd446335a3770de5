"""What the chart's pods run, run: the test of `helm test` against real servers, the bucket's maker against S3."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio
from moto.server import ThreadedMotoServer

from tests.charts.rendering import CHART, ROOT, Rendering
from tests.frontend.house import run_inference, run_page

WEIGHTS = ROOT / "loupe" / "weights"


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    given = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("try")
    with (
        run_inference(WEIGHTS, folder / "inference.log") as inference,
        run_page(inference.url, folder / "results", WEIGHTS, folder / "page.log") as page,
    ):
        yield inference.url, page.url


@pytest.fixture
def script(renderings: dict[str, Rendering]) -> str:
    rendered: str = renderings["minimal"].one("ConfigMap", "loupe-test")["data"]["try_models.py"]
    assert rendered.strip() == (CHART / "files" / "try_models.py").read_text().strip()
    return rendered


def test_the_test_passes_where_models_and_page_upscale(script: str, servers: tuple[str, str]) -> None:
    inference, page = servers
    done = run(script, inference, "edsr_fast_x2", "edsr_fast_x4", f"--page={page}")
    assert done.returncode == 0, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.startswith("edsr_fast_x2: 128x128, ")
    assert second.startswith("edsr_fast_x4: 256x256, ")
    assert last.startswith("page: 128x128, ")


def test_the_test_fails_where_one_does_not(script: str, servers: tuple[str, str]) -> None:
    inference, _ = servers
    done = run(script, inference, "edsr_x9")
    assert done.returncode == 1
    assert "No model 'edsr_x9'" in done.stderr
    done = run(script, "http://127.0.0.1:9", "edsr_fast_x2", "--seconds=0")
    assert done.returncode == 1
    assert "No answer from the inference server" in done.stderr
    strict = script.replace("LEAST = 24.0", "LEAST = 99.0")
    done = run(strict, inference, "edsr_fast_x2")
    assert done.returncode == 1
    assert "that is another picture" in done.stderr


def test_the_bucket_is_made_once(renderings: dict[str, Rendering]) -> None:
    (job,) = [each for each in renderings["canary"].all("Job") if each["metadata"]["name"] == "loupe-make-bucket"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    python, option, code = container["command"]
    assert (python, option) == ("python", "-c")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {"S3_ENDPOINT_URL": f"http://{host}:{port}", "LOUPE_STORAGE": "s3://chart-made/prefix"}
        environment |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        assert run(code, **environment).stdout == "bucket chart-made is made\n"
        assert run(code, **environment).stdout == "bucket chart-made is there\n"
        assert Minio(f"{host}:{port}", "key", "secret", secure=False).bucket_exists("chart-made")
    finally:
        server.stop()


def test_shell_and_yaml_and_dockerfile_are_clean(renderings: dict[str, Rendering], tmp_path: Path) -> None:
    rendered = []
    for name, rendering in renderings.items():
        for path, text in rendering.manifests.items():
            if text.strip() and not path.endswith(".txt"):
                file = tmp_path / f"{name}-{path.replace('/', '-')}"
                # Helm leaves blank lines where a condition was false
                file.write_text("\n".join(line for line in text.splitlines() if line.strip()) + "\n")
                rendered.append(str(file))
    assert len(rendered) > 30
    written = [CHART / "Chart.yaml", CHART / "values.yaml", *(CHART / "ci").glob("*.yaml")]
    checks = [
        ["yamllint", "--strict", "-c", str(ROOT / ".yamllint"), *map(str, written)],
        [
            "yamllint",
            "--strict",
            "-d",
            f"{{extends: {ROOT / '.yamllint'}, rules: {{line-length: disable}}}}",
            *rendered,
        ],
        ["hadolint", str(ROOT / "Dockerfile")],
        ["shellcheck", str(ROOT / ".ci" / "run"), *map(str, (ROOT / "images").glob("*.sh"))],
    ]
    for command in checks:
        program = Path(sys.executable).with_name(command[0])
        done = subprocess.run([str(program), *command[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
