"""From a manifest to a parquet file of features: one row a picture, by the one definition in ``loupe/quality.py``.

    features = measure_manifest(manifest)                   # {sha256: Quality}
    write_features(features, "s3://bucket/features")        # or file://folder

Rows of earlier manifests stay: what is known of a picture does not change, since its key is the hash of its bytes.
"""

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.progress import track

from loupe.errors import LoupeError
from loupe.files import read_picture
from loupe.images import decode
from loupe.quality import Quality, measure
from loupe.settings import Limits
from loupe.storage import open_storage
from training.manifest import Entry, Manifest, ManifestError

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = "picture_quality.parquet"
TIMESTAMP = "event_timestamp"  # when a row became known: Feast joins only what was known at the time asked for
KEY = "sha256"


class FeatureError(LoupeError):
    """Features that are not there, or are not what this version measures."""

    exit_code = 13


def measure_manifest(manifest: Manifest, *, limits: Limits | None = None, quiet: bool = True) -> dict[str, Quality]:
    """Features by SHA-256, decoded on all cores. ManifestError names a picture that cannot be read: inspect first."""
    limits = limits or Limits()
    distinct = list({entry.sha256: entry for entry in manifest.entries}.values())

    def of(entry: Entry) -> Quality:
        path = manifest.locate(entry)
        try:
            return measure(decode(read_picture(path, limits), limits))
        except LoupeError as error:
            raise ManifestError(
                f"{path}: got a picture that cannot be read ({error}), expected an inspected manifest"
            ) from error

    with ThreadPoolExecutor() as pool:  # decoding and numpy release the lock
        measured = track(pool.map(of, distinct), "measuring pictures", total=len(distinct), disable=quiet)
        return {entry.sha256: quality for entry, quality in zip(distinct, measured, strict=True)}


def write_features(features: Mapping[str, Quality], uri: str, *, measured_at: datetime | None = None) -> None:
    """Add rows to the parquet at ``uri``, replacing those of the same pictures. Raises StorageError, FeatureError."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    storage = open_storage(uri)
    table = _table(features, measured_at or datetime.now(UTC))
    if storage.exists(PARQUET):
        try:
            old = parquet.read_table(io.BytesIO(storage.read(PARQUET))).select(table.column_names).cast(table.schema)
        except (pa.ArrowInvalid, KeyError) as error:
            raise FeatureError(
                f"{PARQUET} at {uri}: got {error}, expected the columns {', '.join(table.column_names)}; "
                "delete it and measure all pictures again"
            ) from error
        unchanged = compute.invert(compute.is_in(old[KEY], value_set=table[KEY].combine_chunks()))
        table = pa.concat_tables([old.filter(unchanged), table])
    data = io.BytesIO()
    parquet.write_table(table.sort_by(KEY), data)
    storage.write(PARQUET, data.getvalue(), media_type="application/vnd.apache.parquet")


def _table(features: Mapping[str, Quality], measured_at: datetime) -> "pa.Table":
    import pyarrow as pa

    columns = {KEY: pa.array(list(features), pa.string())}
    moment = pa.timestamp("us", tz="UTC")
    columns[TIMESTAMP] = pa.array([measured_at] * len(features), moment)
    for name, field in Quality.model_fields.items():
        kind = pa.int64() if field.annotation is int else pa.float64()
        columns[name] = pa.array([getattr(quality, name) for quality in features.values()], kind)
    return pa.table(columns)
