"""The store of results on a real folder."""

import os
import time
from pathlib import Path

from frontend.options import Options
from frontend.results import ORPHAN_SECONDS, Result, Results, result_key
from loupe.storage import open_storage

KEY = result_key(b"picture", model="edsr_x4", version="1", options=Options())


def store(folder: Path, ttl: float = 100) -> Results:
    return Results(open_storage(f"file://{folder}"), ttl=ttl)


def record(expires: float) -> Result:
    return Result(
        width=4,
        height=4,
        input_width=1,
        input_height=1,
        format="PNG",
        media_type="image/png",
        bytes=3,
        model="edsr_x4",
        version="1",
        scale=4,
        seconds=0.1,
        tiles=1,
        notes=(),
        expires=expires,
    )


def age(folder: Path, seconds: float) -> None:
    """Make every file in the folder that old."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_key_holds_all_that_decides() -> None:
    others = {
        result_key(b"other", model="edsr_x4", version="1", options=Options()),
        result_key(b"picture", model="edsr_x2", version="1", options=Options()),
        result_key(b"picture", model="edsr_x4", version="2", options=Options()),
        result_key(b"picture", model="edsr_x4", version="1", options=Options(quality=90)),
    }

    assert len(others | {KEY}) == 5
    assert result_key(b"picture", model="edsr_x4", version="1", options=Options()) == KEY


def test_what_is_kept_is_found_by_any_replica(tmp_path: Path) -> None:
    kept = record(time.time() + 100)
    store(tmp_path).keep(KEY, b"png", kept)

    other = store(tmp_path)

    assert other.find(KEY) == kept
    with other.open(KEY) as file:
        assert file.read() == b"png"


def test_a_picture_without_its_record_is_not_there(tmp_path: Path) -> None:
    results = store(tmp_path)
    results.keep(KEY, b"png", record(time.time() + 100))
    next(tmp_path.rglob("*.json")).unlink()

    assert results.find(KEY) is None
    assert results.sweep() == 0
    assert files(tmp_path) == [KEY]  # someone may be about to write the record
    age(tmp_path, ORPHAN_SECONDS + 1)
    results.sweep()
    assert files(tmp_path) == []


def test_a_record_of_another_release_is_not_there(tmp_path: Path) -> None:
    results = store(tmp_path)
    results.keep(KEY, b"png", record(time.time() + 100))
    next(tmp_path.rglob("*.json")).write_text('{"width": 4}')

    assert results.find(KEY) is None


def test_old_results_are_not_served_and_then_removed(tmp_path: Path) -> None:
    results = store(tmp_path, ttl=100)
    results.keep(KEY, b"png", record(time.time() - 1))
    assert results.find(KEY) is None
    assert results.sweep() == 0

    age(tmp_path, 101)

    assert results.sweep() == 1
    assert files(tmp_path) == []


def test_a_result_that_is_asked_for_lives_on(tmp_path: Path) -> None:
    results = store(tmp_path, ttl=100)
    old = record(time.time() + 10)
    results.keep(KEY, b"png", old)

    renewed = results.renew(KEY, old)

    assert renewed.expires > time.time() + 90
    assert results.find(KEY) == renewed
    assert results.renew(KEY, renewed) is renewed
