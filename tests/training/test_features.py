"""Features from photos through Feast and back: offline, online, and as weights of the sampler."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.images import decode
from loupe.quality import Quality, measure
from loupe.storage import KeyNotFound, open_storage
from training.features.measuring import PARQUET, FeatureError, measure_manifest, write_features
from training.features.repository import (
    FeatureSettings,
    apply,
    materialize,
    offline_uri,
    read_historical,
    read_online,
    write_repository,
)
from training.features.sampling import LIMIT, load_weights, read_weights, sampling_weights, write_weights
from training.manifest import Manifest, ManifestError, make_manifest

UNKNOWN = "0" * 64


@pytest.fixture(scope="module")
def manifest(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return make_manifest(str(photos), evaluation=[str(photos)], store=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def features(manifest: Manifest) -> dict[str, Quality]:
    return measure_manifest(manifest)


def test_each_distinct_picture_is_measured_once(manifest: Manifest, features: dict[str, Quality]) -> None:
    assert set(features) == {entry.sha256 for entry in manifest.entries}
    assert len(features) == 4
    entry = manifest.entries[0]
    assert features[entry.sha256] == measure(decode(manifest.locate(entry).read_bytes()))


def test_a_picture_that_cannot_be_read_is_named(photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "set"))
    (folder / "broken.png").write_bytes(b"x")
    with pytest.raises(ManifestError, match=r"broken\.png: got a picture that cannot be read"):
        measure_manifest(make_manifest(str(folder), store=tmp_path))


@pytest.mark.feast
@pytest.mark.filterwarnings("ignore")  # Feast's own and its dependencies'
def test_the_whole_way_through_feast(features: dict[str, Quality], tmp_path: Path) -> None:
    settings, repository = FeatureSettings(offline=f"file://{tmp_path}/offline"), tmp_path / "repository"
    hashes = list(features)
    began = datetime.now(UTC)
    first = dict(list(features.items())[:3])
    write_features(first | {hashes[0]: features[hashes[1]]}, settings.offline, measured_at=began - timedelta(days=2))
    write_features({hashes[0]: features[hashes[0]], hashes[3]: features[hashes[3]]}, settings.offline)
    write_repository(repository, settings)
    apply(repository)
    apply(repository)
    materialize(repository)

    assert read_historical(repository, [*hashes, UNKNOWN, hashes[0]]) == features
    assert read_online(repository, [*hashes, UNKNOWN, hashes[0]]) == features
    yesterday = read_historical(repository, hashes, as_of=began - timedelta(days=1))
    assert set(yesterday) == set(hashes[1:3]), "what was measured later was not known"
    assert read_historical(repository, []) == read_online(repository, []) == {}

    weights = read_weights(repository, [*hashes, UNKNOWN])
    assert weights == sampling_weights(features, [*hashes, UNKNOWN])
    with pytest.raises(FeatureError, match="none of the 1 pictures"):
        read_weights(repository, [UNKNOWN])

    moved = Path(shutil.move(repository, tmp_path / "moved"))
    assert read_online(moved, hashes) == features, "nothing in the repository says where it lies"
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in moved.glob("*.[yp]*"))


def test_the_parquet_is_the_same_for_the_same_rows(features: dict[str, Quality], tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for folder in ("a", "b"):
        write_features(features, f"file://{tmp_path}/{folder}", measured_at=moment)
    write_features(dict(reversed(features.items())), f"file://{tmp_path}/b", measured_at=moment)
    assert (tmp_path / "a" / PARQUET).read_bytes() == (tmp_path / "b" / PARQUET).read_bytes()


@pytest.mark.parametrize("there", [b"", b"no parquet", None])
def test_a_parquet_of_something_else_is_not_written_over(
    there: bytes | None, features: dict[str, Quality], tmp_path: Path
) -> None:
    if there is None:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"sha256": [UNKNOWN], "light_mean": [1.0]}), tmp_path / PARQUET)
    else:
        (tmp_path / PARQUET).write_bytes(there)
    before = (tmp_path / PARQUET).read_bytes()
    with pytest.raises(FeatureError, match="delete it and measure all pictures again"):
        write_features(features, f"file://{tmp_path}")
    assert (tmp_path / PARQUET).read_bytes() == before


def test_the_repository_may_have_any_name(features: dict[str, Quality], tmp_path: Path) -> None:
    folder = tmp_path / "50%20 #1? ä"
    write_features(features, offline_uri(folder, FeatureSettings()))
    assert (folder / PARQUET).is_file()


def test_the_offline_store_may_be_a_bucket(bucket: str, features: dict[str, Quality], tmp_path: Path) -> None:
    write_features(features, bucket)
    repository = write_repository(tmp_path / "repository", FeatureSettings(offline=bucket))
    assert (repository / PARQUET).read_bytes() == open_storage(bucket).read(PARQUET)


def test_settings_choose_the_stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert offline_uri(tmp_path, FeatureSettings()) == f"file://{tmp_path}"
    write_repository(tmp_path, FeatureSettings())
    assert json.loads((tmp_path / "feature_store.yaml").read_text())["online_store"]["type"] == "sqlite"
    monkeypatch.setenv("LOUPE_FEATURES_REDIS", "cache:6379,password=secret")
    settings = FeatureSettings()
    write_repository(tmp_path, settings)
    written = (tmp_path / "feature_store.yaml").read_text()
    assert json.loads(written)["online_store"] == {
        "type": "redis",
        "connection_string": "${LOUPE_FEATURES_REDIS}",
    }
    assert "secret" not in written + repr(settings)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"got no feature_store\.yaml"):
        read_online(tmp_path, [UNKNOWN])
    with pytest.raises(KeyNotFound, match=PARQUET):
        write_repository(tmp_path / "r", FeatureSettings(offline=f"file://{tmp_path}/nothing"))


def test_feast_is_imported_only_where_it_is_used() -> None:
    code = (
        "import sys, training.inspection_page, training.features.repository, training.features.sampling; "
        "print({'feast', 'pandas', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_textured_pictures_weigh_more_and_noise_is_no_texture(photos: Path) -> None:
    photo = np.asarray(Image.open(photos / "coffee.png"))
    wall = np.full_like(photo, 120)
    noise = np.random.default_rng(0).normal(0, 12, photo.shape[:2])[..., None]
    noisy = np.clip(wall + noise, 0, 255).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(photo).resize((60, 40)).resize((600, 400)))
    from loupe.images import Picture

    features = {
        name: measure(Picture(color=color))
        for name, color in {"photo": photo, "wall": wall, "noisy": noisy, "blurred": blurred}.items()
    }
    assert features["noisy"].sharpness > features["photo"].sharpness
    names = ["blurred", "noisy", "photo", "wall", "unknown"]
    weights = dict(zip(names, sampling_weights(features, names), strict=True))
    assert weights["photo"] == max(weights.values())
    assert weights["wall"] == min(weights.values())
    assert weights["noisy"] < weights["photo"] / 1.3
    assert weights["unknown"] == 1
    assert np.mean([weights[name] for name in features]) == pytest.approx(1)
    strong = sampling_weights(features, names, strength=50)
    assert max(strong) / min(strong) <= LIMIT**2


def test_no_strength_or_nothing_known_is_no_change(features: dict[str, Quality]) -> None:
    assert sampling_weights(features, list(features), strength=0) == pytest.approx((1.0,) * 4)
    assert sampling_weights({}, ["a", "b"]) == (1.0, 1.0)
    assert sampling_weights(features, []) == ()


def test_weights_travel_as_json(tmp_path: Path) -> None:
    write_weights({"a" * 64: 2.0, "b" * 64: 0.5}, f"file://{tmp_path}", "weights.json")
    assert load_weights(f"file://{tmp_path}/weights.json", ["b" * 64, "c" * 64, "a" * 64]) == (0.5, 1.0, 2.0)
    with pytest.raises(KeyNotFound):
        load_weights(f"file://{tmp_path}/others.json", [])
    for wrong in ("[]", '{"a": 0}', '{"a": "NaN"}', "{"):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(FeatureError, match=r"wrong.json: got no weights by SHA-256"):
            load_weights(f"file://{tmp_path}/wrong.json", [])
