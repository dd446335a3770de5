"""Inspection of a folder in which everything that can be wrong is wrong."""

import io
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.inspection import InspectionFailed, Report, Rules, inspect_manifest, require_enough
from training.inspection_page import render_html, render_markdown
from training.manifest import Manifest, ManifestError, make_manifest


@pytest.fixture(scope="module")
def bad(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Good photos, one of each fault, and an evaluation folder that shares a photo with them."""
    base = tmp_path_factory.mktemp("bad")
    folder, valid, evaluation = base / "set", base / "valid", base / "eval"
    shutil.copytree(photos, folder)
    valid.mkdir()
    evaluation.mkdir()
    shutil.copy(folder / "coffee.png", folder / "coffee_again.png")
    chelsea = Image.open(photos / "chelsea.png")
    chelsea.resize((300, 200), Image.Resampling.BICUBIC).save(folder / "chelsea_small.jpg", quality=60)
    whole = (photos / "astronaut.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_bytes(b"no picture")
    chelsea.crop((0, 0, 90, 200)).save(folder / "narrow.png")
    Image.new("RGB", (200, 200), (200, 10, 10)).save(folder / "flat.png")
    camera = np.asarray(Image.open(photos / "astronaut.png").convert("L"))[::-1]
    Image.fromarray(camera).save(folder / "gray.png")
    Image.fromarray(np.repeat(camera.T[..., None], 3, axis=2)).save(folder / "gray_rgb.png")
    Image.open(photos / "rocket.png").save(evaluation / "rocket.jpg", quality=80)
    Image.new("RGB", (20, 20)).save(evaluation / "small_flat.png")
    shutil.copy(photos / "astronaut.png", valid)
    return make_manifest(str(folder), valid=str(valid), evaluation=[str(evaluation)], store=base / "store")


@pytest.fixture(scope="module")
def report(bad: Manifest) -> Report:
    return inspect_manifest(bad)


def test_every_fault_is_found_with_its_files(report: Report) -> None:
    found = {f.entry.name: (f.reason, f.related) for f in report.dropped}
    assert found == {
        "set/coffee_again.png": ("duplicate", ("set/coffee.png",)),
        "set/astronaut.png": ("leak", ("valid/astronaut.png",)),
        "set/chelsea_small.jpg": ("near duplicate", ("set/chelsea.png",)),
        "set/flat.png": ("flat", ()),
        "set/half.png": ("unreadable", ()),
        "set/narrow.png": ("too small", ()),
        "set/rocket.png": ("leak", ("eval/rocket.jpg",)),
        "set/text.jpg": ("unreadable", ()),
    }
    assert {f.entry.name for f in report.noted} == {"set/gray.png", "set/gray_rgb.png"}
    assert {f.reason for f in report.noted} == {"wrong colour"}


def test_kept_and_dropped_are_all(bad: Manifest, report: Report) -> None:
    names = [entry.name for entry in report.kept] + [f.entry.name for f in report.dropped]
    assert sorted(names) == [entry.name for entry in bad.entries]
    kept = bad.only(report.kept)
    assert {e.path for e in kept.of("eval")} == {"rocket.jpg", "small_flat.png"}, "evaluation is left as it is"
    again = inspect_manifest(kept)
    assert not again.dropped
    require_enough(again)


def test_details_say_got_and_expected(report: Report) -> None:
    details = {f.entry.path: f.detail for f in report.dropped}
    assert details["narrow.png"] == "90x200, expected 96 pixels or more a side"
    assert details["flat.png"] == "luma spreads by 0.00 levels, expected 2 or more"
    assert details["astronaut.png"] == "the same bytes as a picture of valid, valid/astronaut.png"
    assert re.fullmatch(r"\d of 64 bits from a picture of eval, eval/rocket.jpg", details["rocket.png"])


def test_too_many_faults_fail_and_name_the_files(bad: Manifest, report: Report) -> None:
    with pytest.raises(InspectionFailed, match=r"8 of 13 pictures are unfit \(62%\), expected at most 20%") as caught:
        require_enough(report)
    assert "set/half.png: unreadable (PNG" in str(caught.value)
    assert caught.value.report is report
    assert caught.value.exit_code == 23
    require_enough(inspect_manifest(bad, Rules(max_dropped=0.7)))
    assert report.counts["leak"] == 2


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(b"x")
    report = inspect_manifest(make_manifest(str(tmp_path / "p"), store=tmp_path), Rules(max_dropped=1))
    with pytest.raises(InspectionFailed, match=r"No picture is left to train on\.\n  p/a\.png: unreadable"):
        require_enough(report)


def test_rules_can_be_stricter(bad: Manifest) -> None:
    report = inspect_manifest(bad, Rules(drop_wrong_colour=True, min_side=310))
    found = {f.entry.path: f.reason for f in report.dropped}
    assert found["gray.png"] == "wrong colour"
    assert found["chelsea.png"] == "too small"
    assert not report.noted


def test_a_set_of_gray_pictures_is_as_it_should_be(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "gray").mkdir()
    for path in photos.iterdir():
        Image.open(path).convert("L").save(tmp_path / "gray" / path.name)
    report = inspect_manifest(make_manifest(str(tmp_path / "gray"), store=tmp_path))
    assert not report.noted
    assert not report.dropped


def test_cmyk_is_noted(photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "set"))
    Image.open(photos / "coffee.png").transpose(Image.Transpose.ROTATE_90).convert("CMYK").save(folder / "print.jpg")
    (noted,) = inspect_manifest(make_manifest(str(folder), store=tmp_path)).noted
    assert noted.entry.path == "print.jpg"
    assert noted.detail.startswith("CMYK converted")


def test_a_file_that_changed_is_told(photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "set"))
    manifest = make_manifest(str(folder), store=tmp_path)
    Image.new("RGB", (100, 100)).save(folder / "coffee.png")
    with pytest.raises(ManifestError, match=r"coffee\.png: got SHA-256 .* it has changed"):
        inspect_manifest(manifest)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_pages_are_whole_and_escape_names(photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "set"))
    (folder / "<img src=x onerror=alert(1)>|`.png").write_bytes(b"")
    report = inspect_manifest(make_manifest(str(folder), store=tmp_path))
    page = Page()
    page.feed(render_html(report))
    assert {"script", "img", "link", "iframe"}.isdisjoint(page.tags)
    assert {"src", "href", "onerror"}.isdisjoint(page.attributes)
    assert "&lt;img src=x onerror=alert(1)&gt;" in render_html(report)
    assert "4 of 5 pictures kept (3 train, 1 valid, 0 eval), 1 dropped." in render_html(report)
    text = render_markdown(report)
    assert "| `set/<img src=x onerror=alert(1)>\\|'.png` | train | unreadable |" in text
    assert "| unreadable | 1 |" in text


def test_reports_survive_json(report: Report) -> None:
    data = io.StringIO(report.model_dump_json())
    assert Report.model_validate_json(data.read()) == report
