"""What tells data apart without reading them."""

import os
from pathlib import Path

from pipelines.fingerprint import fingerprint_of


def test_it_stays_until_something_changes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    first = fingerprint_of(str(tmp_path))
    assert fingerprint_of(str(tmp_path)) == first
    os.utime(tmp_path / "a.png", ns=(1, 1))
    touched = fingerprint_of(str(tmp_path))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c.png").write_bytes(b"two")
    added = fingerprint_of(str(tmp_path))
    (tmp_path / "b" / "c.png").rename(tmp_path / "b" / "d.png")
    assert len({first, touched, added, fingerprint_of(str(tmp_path))}) == 4


def test_places_count_in_their_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "a.png").write_bytes(folder.name.encode())
    assert fingerprint_of(str(one), str(two)) != fingerprint_of(str(two), str(one))


def test_names_of_sets_and_missing_folders_have_one_too() -> None:
    assert len({fingerprint_of("samples"), fingerprint_of("div2k"), fingerprint_of("nowhere"), fingerprint_of()}) == 4
