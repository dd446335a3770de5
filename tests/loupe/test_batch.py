"""Batches over folders and a bucket: names, taking up again, and what fails."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from loupe.batch import RECORDS, Failure, Outcome, Plan, failures_of, open_upscaler, plan_batch, render_markdown
from loupe.batch import upscale_part as upscale
from loupe.errors import BackendUnavailable, InvalidOption, StorageError
from loupe.images import decode
from loupe.settings import Settings
from loupe.storage import open_storage
from loupe.upscale import Upscaler


@pytest.fixture(scope="module")
def upscaler(tiny_models: Path) -> Iterator[Upscaler]:
    with open_upscaler("tiny_x2", Settings(models_dir=tiny_models)) as opened:
        yield opened


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    """A tree of three pictures, a hidden one, a text, and a picture that is none."""
    root = tmp_path / "in"
    (root / "b").mkdir(parents=True)
    shutil.copy(photos / "coffee.png", root / "coffee.png")
    shutil.copy(photos / "chelsea.png", root / "b" / "cat.png")
    shutil.copy(photos / "rocket.png", root / "b" / "Rocket.PNG")
    shutil.copy(photos / "rocket.png", root / "b" / ".hidden.png")
    (root / "notes.txt").write_text("no picture")
    (root / "broken.jpg").write_bytes(b"\xff\xd8 not really")
    return root


def files_of(folder: Path) -> dict[str, int]:
    """Every file and when it was written."""
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def results_of(folder: Path) -> set[str]:
    return {name for name in files_of(folder) if not name.startswith(RECORDS)}


def plan_of(folder: Path, target: Path, **options: object) -> Plan:
    return plan_batch(str(folder), str(target), model="tiny_x2", **options)  # type: ignore[arg-type]


def test_names_and_tree_are_kept_and_a_broken_picture_is_listed(
    folder: Path, tmp_path: Path, upscaler: Upscaler
) -> None:
    plan = plan_of(folder, tmp_path / "out")
    outcomes = [upscale(plan, part, upscaler) for part in plan.parts(2)]
    assert plan.parts(2) == ["1-of-2", "2-of-2"]
    assert results_of(tmp_path / "out") == {"coffee.png", "b/cat.png", "b/Rocket.PNG"}
    assert sum(outcome.made for outcome in outcomes) == 3
    (failure,) = failures_of(plan, outcomes)
    assert failure.source == "broken.jpg"
    small, large = ((root / "coffee.png").read_bytes() for root in (folder, tmp_path / "out"))
    assert decode(large).width == 2 * decode(small).width
    told = render_markdown(plan, outcomes)
    assert "3 made, 0 there already, 1 failed." in told
    assert "| `broken.jpg` | `" in told


def test_what_is_done_is_left_and_what_has_changed_is_made_again(
    folder: Path, photos: Path, tmp_path: Path, upscaler: Upscaler, tiny_models: Path
) -> None:
    out = tmp_path / "out"
    plan = plan_of(folder, out, format="webp", quality=70)

    def again(plan: Plan = plan, by: Upscaler = upscaler) -> tuple[int, int]:
        outcome = upscale(plan, "1-of-1", by)
        return outcome.made, outcome.skipped

    assert again() == (3, 0)
    before = files_of(out)
    assert again() == (0, 3)
    assert files_of(out) == before
    shutil.copy(photos / "chelsea.png", folder / "coffee.png")  # another picture under the same name
    assert again() == (1, 2)
    (out / "b" / "cat.webp").unlink()
    assert again() == (1, 2)
    (out / "b" / "cat.webp").write_bytes(b"half")
    assert again() == (1, 2)
    (out / RECORDS / "coffee.webp.json").write_text("{")
    assert again() == (1, 2)
    assert again(plan_of(folder, out, format="webp", quality=71)) == (3, 0)
    newer = Upscaler(upscaler.backend)
    version, upscaler.backend.version = upscaler.backend.version, "99"
    try:
        assert again(plan_of(folder, out, format="webp", quality=71), newer) == (3, 0)
    finally:
        upscaler.backend.version = version


def test_names_that_would_be_one_file_are_told_apart_always_alike(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "a.jpg", "a.jpg.gif", "b.png"):
        shutil.copy(photos / "coffee.png", folder / name)
    plan = plan_of(folder, tmp_path / "out", format="WEBP")
    assert {item.source: item.target for item in plan.items} == {
        "a.png": "a.png.webp",
        "a.jpg": "a.jpg.webp",
        "a.jpg.gif": "a.jpg.gif.webp",
        "b.png": "b.webp",
    }


def test_results_never_replace_inputs_nor_become_some(folder: Path, tmp_path: Path, upscaler: Upscaler) -> None:
    with pytest.raises(InvalidOption, match="would replace an input"):
        plan_of(folder, folder)
    with pytest.raises(InvalidOption, match="would replace an input"):
        plan_of(folder, tmp_path / "x" / ".." / "in")
    plan = plan_of(folder, folder / "larger")
    upscale(plan, "1-of-1", upscaler)
    assert plan_of(folder, folder / "larger") == plan
    assert {item.source for item in plan_of(folder / "b", folder).items} == {"cat.png", "Rocket.PNG"}


def test_names_that_cannot_be_keys_are_listed(folder: Path, tmp_path: Path, upscaler: Upscaler) -> None:
    shutil.copy(folder / "coffee.png", folder / "back\\slash.png")
    shutil.copy(folder / "coffee.png", os.fsencode(folder) + b"/\xff.png")
    plan = Plan.model_validate_json(plan_of(folder, tmp_path / "out").model_dump_json())
    assert [failure.source for failure in plan.refused] == ["back\\slash.png", "\\udcff.png"]
    assert len(failures_of(plan, [upscale(plan, "1-of-1", upscaler)])) == 3


def test_wrong_options_are_refused(folder: Path, tmp_path: Path, upscaler: Upscaler) -> None:
    with pytest.raises(InvalidOption, match="nowhere: got no pictures there"):
        plan_of(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InvalidOption, match="quality: got 0"):
        plan_of(folder, tmp_path / "out", quality=0)
    with pytest.raises(InvalidOption, match="format: got 'bad'"):
        plan_of(folder, tmp_path / "out", format="bad")
    with pytest.raises(InvalidOption, match="scale: got 4, expected 2, which is the factor of tiny_x2"):
        upscale(plan_of(folder, tmp_path / "out", scale=4), "1-of-1", upscaler)
    with pytest.raises(InvalidOption, match="part: got '3-of-2'"):
        upscale(plan_of(folder, tmp_path / "out"), "3-of-2", upscaler)
    with pytest.raises(InvalidOption, match="pictures of a part: got 0"):
        plan_of(folder, tmp_path / "out").parts(0)


def test_markup_in_a_name_stays_a_name() -> None:
    plan = Plan(source="in", target="out", model="m", items=())
    told = render_markdown(plan, [Outcome(failures=(Failure(source="a|b`<b>\n.png", error="no"),))])
    assert told.splitlines()[-1] == "| `a\\|b'<b>\ufffd.png` | `no` |"


def test_a_batch_that_was_killed_is_taken_up_again(
    folder: Path, photos: Path, tmp_path: Path, tiny_models: Path, upscaler: Upscaler
) -> None:
    """kill -9 in the middle: no half a result, and the whole ones are not made again."""
    out = tmp_path / "out"
    for number in range(12):
        shutil.copy(photos / "astronaut.png", folder / f"more{number}.png")
    plan = plan_of(folder, out)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from loupe.batch import *; from loupe.settings import Settings\n"
        "plan = Plan.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "with open_upscaler('tiny_x2', Settings(models_dir=sys.argv[2])) as upscaler:\n"
        "    upscale_part(plan, '1-of-1', upscaler)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "plan.json"), str(tiny_models)])
    deadline = time.monotonic() + 60
    while len(list((out / RECORDS).rglob("*.json"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole = {path: when for path, when in files_of(out).items() if (out / RECORDS / f"{path}.json").is_file()}
    assert 3 <= len(whole) < 15
    outcome = upscale(plan, "1-of-1", upscaler)
    assert (outcome.made, outcome.skipped) == (15 - len(whole), len(whole))
    assert whole.items() <= files_of(out).items()
    for name in results_of(out):
        assert decode((out / name).read_bytes()).width > 0
    assert len(results_of(out)) == 15


def test_a_server_that_stays_away_fails_after_retries(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("loupe.batch.time.sleep", pauses.append)
    with (
        pytest.raises(BackendUnavailable, match="No answer from the inference server"),
        open_upscaler("tiny_x2", Settings(), endpoint="http://127.0.0.1:9", retries=2),
    ):
        pass
    assert pauses == [1.0, 2.0]


class Broken(BaseHTTPRequestHandler):
    """S3 that answers 503 to everything."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_storage_that_stays_away_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, upscaler: Upscaler) -> None:
    server = HTTPServer(("127.0.0.1", 0), Broken)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("S3_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "something")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    plan = plan_batch(str(folder), "s3://bucket/out", model="tiny_x2")
    with pytest.raises(StorageError):
        upscale(plan, "1-of-1", upscaler)
    server.shutdown()
    server.server_close()


def test_from_a_bucket_into_a_bucket(photos: Path, s3: Callable[[str], str], upscaler: Upscaler) -> None:
    s3("batches")
    source = open_storage("s3://batches/in")
    for name in ("a/coffee.png", "rocket.png"):
        source.write(name, (photos / Path(name).name).read_bytes())
    source.write("broken.png", b"nothing")
    plan = plan_batch("s3://batches/in", "s3://batches/in/larger", model="tiny_x2", format="JPEG")
    first, second = (upscale(plan, "1-of-1", upscaler) for _ in range(2))
    assert (first.made, len(first.failures), second.skipped) == (2, 1, 2)
    target = open_storage("s3://batches/in/larger")
    keys = [entry.key for entry in target.list()]
    assert [key for key in keys if not key.startswith(RECORDS)] == ["a/coffee.jpg", "rocket.jpg"]
    assert json.loads(target.read(f"{RECORDS}/rocket.jpg.json"))["model"] == "tiny_x2"
    assert plan_batch("s3://batches/in", "s3://batches/in/larger", model="tiny_x2", format="JPEG") == plan
