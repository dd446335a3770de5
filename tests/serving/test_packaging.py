"""The package of a version."""

import json
import re
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from loupe.assessing import hash_weights
from loupe.assessment import AssessmentError
from loupe.backends import TorchBackend
from loupe.checkpoint import load_model, read_info
from loupe.distribution import Distribution
from loupe.errors import InvalidOption, StorageError
from loupe.images import decode
from loupe.registry import WEIGHTS
from loupe.storage import FileStorage
from loupe.upscale import Upscaler
from loupe.versions import list_versions
from serving.packaging import Package, free_version, lineage_of, make_package, read_package
from serving.publishing import register_package
from serving.settings import ServingSettings
from serving.smoke import check
from serving.torchserve import find_java, running, wait_until_ready, with_free_ports
from tests.serving.packages import LINEAGE, assessed, packaged

# model_archiver and ts open their version files on import and leave closing to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file.*version.txt:ResourceWarning")


@pytest.fixture(scope="module")
def package(tiny_models: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    return packaged(tiny_models, photos, tmp_path_factory.mktemp("packages"), "7")


def test_all_that_a_version_is_made_of_is_in_it(package: Package, tiny_models: Path) -> None:
    files = sorted(str(path.relative_to(package.folder)) for path in package.folder.rglob("*") if path.is_file())
    assert files == [
        "config/config.properties",
        "config/metrics.yaml",
        "features.json",
        "lineage.json",
        "metrics.json",
        "model-store/tiny_x4.mar",
        "smoke/expected.png",
        "smoke/input.png",
        "tiny_x4.md",
        "tiny_x4.safetensors",
    ]
    assert [path.name for path in package.folder.parent.iterdir() if "partial" in path.name] == []
    info = read_info(package.checkpoint)
    assert (info.name, info.version) == ("tiny_x4", "7")
    assert hash_weights(package.checkpoint) == hash_weights(tiny_models / "tiny_x4.safetensors")
    assert read_package(package.folder) == package
    assert package.lineage == LINEAGE
    Distribution.model_validate(package.features)


def test_the_figures_are_those_of_the_assessment(package: Package, photos: Path) -> None:
    figures = assessed(package.checkpoint, photos).figures()
    assert package.info.metrics["cats_psnr_y"] == round(figures["cats_psnr_y"], 4)
    assert package.info.metrics.keys() == {"psnr_y", "ssim_y", "cats_psnr_y", "cats_ssim_y", "gain_over_bicubic"}
    assert package.metrics["cats_psnr_y"] == figures["cats_psnr_y"]
    assert package.metrics["bicubic_cats_psnr_y"] > 20
    assert json.loads((package.folder / "metrics.json").read_text()) == package.metrics


def test_the_card_tells_what_a_person_must_know(package: Package, photos: Path) -> None:
    figures = assessed(package.checkpoint, photos)
    assert "# tiny_x4, version 7" in package.card
    assert "Trained on four photos." in package.card
    assert f"`{'d' * 64}`" in package.card
    assert "run `run-1`" in package.card
    assert f"| cats | 1 | bicubic | {figures.figures('bicubic')['cats_psnr_y']:.2f} |" in package.card
    assert f"| cats | 1 | **tiny_x4** | {figures.figures()['cats_psnr_y']:.2f} |" in package.card
    assert "Only 1 picture was measured" in package.card
    lost = re.search(r"lost to bicubic: ([^.]*)\.", package.card)
    assert lost
    assert ("cats" in lost[1]) == (figures.figures()["cats_psnr_y"] < figures.figures("bicubic")["cats_psnr_y"])


def test_the_expected_picture_is_the_checkpoints_own(package: Package) -> None:
    given = decode((package.folder / "smoke/input.png").read_bytes())
    expected = decode((package.folder / "smoke/expected.png").read_bytes())
    backend = TorchBackend(*load_model(package.checkpoint), device="cpu")
    assert (given.width, given.height) == (64, 48)
    assert np.array_equal(Upscaler(backend).upscale(given).color, expected.color)


def test_the_archive_serves_these_weights_where_kserve_mounts_them(package: Package) -> None:
    with zipfile.ZipFile(package.folder / "model-store" / "tiny_x4.mar") as archive:
        assert archive.read("tiny_x4.safetensors") == package.checkpoint.read_bytes()
    properties = (package.folder / "config" / "config.properties").read_text()
    assert "model_store=/mnt/models/model-store\n" in properties
    assert "inference_address=http://0.0.0.0:8080\n" in properties


@pytest.mark.torchserve
def test_torchserve_serves_the_package(package: Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("java") is None:
        pytest.skip("TorchServe needs Java")
    mounted = tmp_path / "mounted"
    shutil.copytree(package.folder, mounted)
    properties = mounted / "config" / "config.properties"
    properties.write_text(properties.read_text().replace("/mnt/models", str(mounted)))
    names = ("http", "grpc", "predictor", "management", "grpc_management", "metrics")
    settings = with_free_ports(ServingSettings.model_validate({f"{name}_port": 0 for name in names}))
    url = f"http://127.0.0.1:{settings.predictor_port}"
    monkeypatch.setenv("TS_INFERENCE_ADDRESS", url)  # as the ServingRuntime does
    monkeypatch.setenv("TS_MANAGEMENT_ADDRESS", f"http://127.0.0.1:{settings.management_port}")
    monkeypatch.setenv("TS_METRICS_ADDRESS", f"http://127.0.0.1:{settings.metrics_port}")
    monkeypatch.setenv("TS_GRPC_INFERENCE_PORT", str(settings.grpc_port))
    monkeypatch.setenv("TS_GRPC_MANAGEMENT_PORT", str(settings.grpc_management_port))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with running(find_java(), mounted) as process:
        assert wait_until_ready(["tiny_x4"], settings, process, threading.Event(), mounted)
        assert check(package, url, timeout=30, told=print) > 45


def test_other_weights_than_the_assessed_ones_are_refused(
    package: Package, models_dir: Path, tmp_path: Path, photos: Path
) -> None:
    other = models_dir / "tiny_x4.safetensors"
    with pytest.raises(AssessmentError, match="with other weights; evaluate this checkpoint"):
        make_package(
            tmp_path / "package",
            other,
            assessed(package.checkpoint, photos),
            version="1",
            features=Distribution.model_validate(package.features),
            lineage=LINEAGE,
            picture=np.zeros((8, 8, 3), np.uint8),
        )
    assert not list(tmp_path.iterdir())


def test_the_number_is_free_in_storage_and_among_what_ships(package: Package, tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    assert free_version(storage, "tiny_x4") == "1"
    register_package(storage, package)
    register_package(storage, package)  # a step that is repeated
    assert [each.version for each in list_versions(storage)] == ["7"]
    assert list_versions(storage)[0].metrics == package.metrics
    assert free_version(storage, "tiny_x4") == "8"
    shipped = read_info(WEIGHTS / "edsr_fast_x4.safetensors")
    assert int(free_version(storage, "edsr_fast_x4")) == int(shipped.version) + 1


def test_shards_of_other_data_are_refused() -> None:
    assert lineage_of(["a", "a"], run="r", recipe="x").data == "a"
    with pytest.raises(InvalidOption, match="got data of versions a, b, expected one"):
        lineage_of(["b", "a"], run="", recipe="")


def test_a_package_with_parts_missing_is_told(
    package: Package, tiny_models: Path, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="got 0 checkpoints, expected one"):
        read_package(tmp_path)
    broken = packaged(tiny_models, photos, tmp_path)
    (broken.folder / "smoke/expected.png").unlink()
    with pytest.raises(StorageError, match=r"no smoke/expected\.png; package again"):
        read_package(broken.folder)
    assert packaged(tiny_models, photos, tmp_path).folder == broken.folder  # written anew, whole
    read_package(broken.folder)
