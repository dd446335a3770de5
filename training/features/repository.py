"""The Feast repository: entity ``picture`` (its key is the SHA-256 of the file), feature view ``picture_quality``.

    settings = FeatureSettings(offline="s3://bucket/features", redis="redis:6379")
    make_repository(folder, settings)   # write_repository, apply and materialize
    read_historical(folder, hashes)     # {sha256: Quality} from the parquet, as known now
    read_online(folder, hashes)         # the same from SQLite or Redis

The folder is made from the settings and can be thrown away: what lasts is the offline parquet. ``feast`` on the command
line works in it too. Feast takes seconds to import, so only functions that need it do.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from loupe.files import write_whole
from loupe.quality import FEATURES, Quality
from loupe.storage import FileStorage, open_storage
from training.features.measuring import KEY, PARQUET, TIMESTAMP, FeatureError

if TYPE_CHECKING:
    from feast import Entity, FeatureStore, FeatureView

VIEW = "picture_quality"
CONFIG = "feature_store.yaml"
DEFINITIONS = '''"""What `feast apply` finds here; made by training.features.repository.write_repository."""

from training.features.repository import define

picture, picture_quality = define()
'''


class FeatureSettings(BaseSettings):
    """``LOUPE_FEATURES_OFFLINE=s3://bucket/features``, ``LOUPE_FEATURES_REDIS=host:6379,password=...``."""

    model_config = SettingsConfigDict(env_prefix="LOUPE_FEATURES_", frozen=True, extra="forbid")

    offline: str = Field(default="", description="storage of the parquet; empty: the repository's own folder")
    redis: str = Field(default="", repr=False, description="the online store; empty: SQLite in the folder")


def offline_uri(folder: Path, settings: FeatureSettings) -> str:
    """Where ``write_features`` should write for this repository."""
    return settings.offline or f"file://{quote(str(folder.absolute()))}"


def make_repository(folder: Path, settings: FeatureSettings) -> Path:
    """``folder`` as a repository that is applied and materialized, ready to be read."""
    write_repository(folder, settings)
    apply(folder)
    materialize(folder)
    return folder


def write_repository(folder: Path, settings: FeatureSettings) -> Path:
    """``folder`` with Feast's configuration, definitions and a copy of the offline parquet, read anew each time.

    Reading through our own storage, rather than Feast's, keeps retries and errors the same as everywhere, and Feast
    from needing s3fs. A Redis address may hold a password: the file then names the environment variable instead.
    Raises StorageError, KeyNotFound when nothing was measured yet.
    """
    if settings.offline:
        with open_storage(settings.offline).open_read(PARQUET) as stream:
            FileStorage(folder).write(PARQUET, stream)
    online = {"type": "sqlite", "path": "online.db"}
    if settings.redis:
        online = {"type": "redis", "connection_string": "${LOUPE_FEATURES_REDIS}"}
    config = {
        "project": "loupe",
        "provider": "local",
        "registry": "registry.db",
        "online_store": online,
        "offline_store": {"type": "dask"},
        "entity_key_serialization_version": 3,
    }
    # JSON is YAML, and needs nothing installed
    write_whole(folder / "definitions.py", DEFINITIONS.encode())
    write_whole(folder / CONFIG, json.dumps(config, indent=1).encode())
    return folder


def define() -> tuple["Entity", "FeatureView"]:
    """The entity and the view over the repository's parquet."""
    from feast import Entity, FeatureView, FileSource, ValueType
    from feast import Field as Column
    from feast.types import Float64, Int64

    picture = Entity(name="picture", join_keys=[KEY], value_type=ValueType.STRING, description="A file, by its SHA-256")
    columns = [
        Column(name=name, dtype=Int64 if field.annotation is int else Float64, description=field.description or "")
        for name, field in Quality.model_fields.items()
    ]
    view = FeatureView(
        name=VIEW,
        entities=[picture],
        schema=columns,
        source=FileSource(name=f"{VIEW}_parquet", path=PARQUET, timestamp_field=TIMESTAMP),
        ttl=timedelta(0),  # for ever: bytes do not age
        online=True,
        description="The statistics of loupe/quality.py",
    )
    return picture, view


def apply(folder: Path) -> None:
    """Register the definitions; again without effect."""
    _open(folder).apply([*define()])


def materialize(folder: Path) -> None:
    """Copy all rows from the parquet into the online store."""
    _open(folder).materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC), feature_views=[VIEW])


def read_historical(folder: Path, pictures: Sequence[str], as_of: datetime | None = None) -> dict[str, Quality]:
    """Features by SHA-256 as they were known at ``as_of`` (default: now); unknown pictures are left out."""
    import pandas as pd

    if not pictures:
        return {}
    asked = pd.DataFrame({KEY: list(dict.fromkeys(pictures)), TIMESTAMP: pd.Timestamp(as_of or datetime.now(UTC))})
    job = _open(folder).get_historical_features(entity_df=asked, features=_names())
    return _qualities(job.to_df().to_dict("records"))


def read_online(folder: Path, pictures: Sequence[str]) -> dict[str, Quality]:
    """Features by SHA-256 from the online store; unknown pictures are left out."""
    if not pictures:
        return {}
    rows = [{KEY: picture} for picture in dict.fromkeys(pictures)]
    found = _open(folder).get_online_features(features=_names(), entity_rows=rows).to_dict()
    return _qualities({name: found[name][row] for name in (KEY, *FEATURES)} for row in range(len(rows)))


def _open(folder: Path) -> "FeatureStore":
    if not (folder / CONFIG).is_file():
        raise FeatureError(f"{folder}: got no {CONFIG}, expected a folder that write_repository made")
    from feast import FeatureStore

    return FeatureStore(repo_path=str(folder))


def _names() -> list[str]:
    return [f"{VIEW}:{name}" for name in FEATURES]


def _qualities(rows: Iterable[Mapping[Any, Any]]) -> dict[str, Quality]:
    """Rows without values (None, or NaN in a table) belong to unknown pictures."""
    known = (row for row in rows if row["width"] is not None and row["width"] == row["width"])
    return {row[KEY]: Quality.model_validate({name: row[name] for name in FEATURES}) for row in known}
