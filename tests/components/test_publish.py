"""package -> publish -> smoke, each in a process of its own, on a small real model, its photos and their shards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components import IMAGE, component
from components.package import package
from components.prepare import prepare
from components.publish import publish
from components.reference import reference
from components.smoke import smoke
from loupe.assessment import write_assessment
from loupe.distribution import Distribution
from loupe.images import decode
from loupe.storage import FileStorage
from loupe.versions import list_versions, read_pointer, serving_version
from serving.publishing import publish as publish_package
from tests.serving.packages import assessed, packaged, trained
from tests.serving.servers import ENVIRONMENT, Server, started, until
from training.manifest import make_manifest, write_manifest
from training.shards import plan_parts

pytestmark = [
    pytest.mark.usefixtures("runs"),
    # model_archiver opens its version file on import and leaves closing it to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed file.*model_archiver:ResourceWarning"),
]


@component
def tamper(package: dsl.Input[dsl.Artifact]) -> str:
    """Expect another picture."""
    from pathlib import Path

    from loupe.images import Picture, decode, encode

    path = Path(package.path) / "smoke" / "expected.png"
    path.write_bytes(encode(Picture(color=decode(path.read_bytes()).color[::-1].copy()), "PNG"))
    return package.path


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "store")


@pytest.fixture
def given(tiny_models: Path, photos: Path, tmp_path: Path) -> dict[str, Any]:
    """What the steps before leave: a checkpoint, its assessment, a manifest and its parts."""
    manifest = make_manifest(str(photos), store=tmp_path / "pictures")
    write_manifest(manifest, tmp_path / "manifest.jsonl")
    checkpoint = trained(tiny_models, tmp_path, name="tiny_custom")
    write_assessment(assessed(checkpoint, photos), tmp_path / "assessment.json")
    return {"folder": tmp_path, "parts": plan_parts(manifest, 100), "version": manifest.version}


def run(given: dict[str, Any], storage: FileStorage, *, spoil: bool = False) -> None:
    folder, uri = given["folder"], f"file://{storage.root}"

    def imported(name: str, kind: Any) -> Any:
        return dsl.importer(artifact_uri=str(folder / name), artifact_class=kind, reimport=True).output

    @dsl.pipeline(name="publishing")  # type: ignore[untyped-decorator]
    def publishing() -> None:
        manifest = imported("manifest.jsonl", dsl.Dataset)
        with dsl.ParallelFor(given["parts"]) as part:
            shard = prepare(manifest=manifest, part=part, scale=4)
        seen = reference(shards=dsl.Collected(shard.outputs["shard"]))
        packed = package(
            checkpoint=imported("trained", dsl.Model),
            assessment=imported("assessment.json", dsl.Artifact),
            reference=seen.outputs["reference"],
            storage=uri,
            run="run-1",
            recipe="edsr_fast_x4",
        )
        served = publish(package=packed.outputs["package"], storage=uri)
        if spoil:
            served.after(tamper(package=packed.outputs["package"]))
        smoke(package=packed.outputs["package"], storage=uri, endpoint=served.outputs["Output"])

    publishing()


def told(runs: Path, step: str) -> dict[str, Any]:
    """What the last run of a step wrote for kfp."""
    written = max(runs.glob(f"*/{step}/executor_output.json"), key=lambda path: path.stat().st_mtime)
    said: dict[str, Any] = json.loads(written.read_text())
    return said


@pytest.fixture
def running(storage: FileStorage, tmp_path: Path) -> Iterator[Server]:
    """As `make run`, before anything was published."""
    environment = {**ENVIRONMENT, "LOUPE_STORAGE": f"file://{storage.root}", "LOUPE_RELOAD_SECONDS": "0.2"}
    with started("embedded", ["serving", "--backend", "torch"], environment, tmp_path / "log") as server:
        yield server


def test_what_is_published_answers_in_a_server_that_runs(
    given: dict[str, Any], storage: FileStorage, runs: Path, running: Server
) -> None:
    run(given, storage)
    version = serving_version(storage, "tiny_custom")
    assert version is not None
    assert (version.version, version.lineage.run, version.lineage.data) == ("1", "run-1", given["version"])
    assert version.metrics["cats_psnr_y"] > 20
    features = Distribution.model_validate_json(storage.read("models/tiny_custom/1/features.json"))
    assert features.count == 4
    assert told(runs, "package")["parameterValues"] == {"Output": "tiny_custom version 1"}
    assert told(runs, "package")["artifacts"]["package"]["artifacts"][0]["metadata"] == {
        "model": "tiny_custom",
        "version": "1",
    }
    assert told(runs, "publish")["parameterValues"] == {"Output": ""}
    assert told(runs, "smoke")["parameterValues"]["Output"] > 45
    (packed,) = runs.glob("*/package/package")
    picture = (packed / "smoke" / "input.png").read_bytes()
    assert min(decode(picture).color.shape[:2]) > 40
    until(lambda: running.v2("tiny_custom", picture).status_code == 200)
    assert running.v2("tiny_custom", picture).json()["parameters"]["version"] == "1"


def test_a_smoke_test_that_fails_brings_the_version_before_back(
    given: dict[str, Any],
    storage: FileStorage,
    tiny_models: Path,
    photos: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    publish_package(packaged(tiny_models, photos, tmp_path, name="tiny_custom"), f"file://{storage.root}")
    with pytest.raises(RuntimeError, match="smoke"):
        run(given, storage, spoil=True)
    said = capfd.readouterr().out
    assert "tiny_custom version 2 failed its test: the answer is another picture" in said
    assert "It was taken back: version 1 serves" in said
    pointer = read_pointer(storage, "tiny_custom")
    assert pointer is not None
    assert pointer.current == "1"
    assert {each.version: each.stage for each in list_versions(storage)} == {"1": "serving", "2": "retired"}


@pytest.mark.parametrize("component", [package, publish, smoke], ids=lambda component: component.name)
def test_a_component_installs_nothing_and_is_short(component: Any) -> None:
    container = component.component_spec.implementation.container
    assert container.image == IMAGE
    assert "pip" not in " ".join(container.command)
    source = Path(__file__).parents[2] / "components" / f"{component.name}.py"
    assert len(source.read_text().splitlines()) <= 40
