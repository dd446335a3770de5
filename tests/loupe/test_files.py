"""Where results go: names and trees kept, nothing replaced by accident, nothing half-written."""

import subprocess
import sys
from pathlib import Path

import pytest

from loupe.errors import InvalidOption, NotAPicture, PictureTooLarge, StorageError
from loupe.files import plan_jobs, read_picture, write_whole
from loupe.settings import Limits


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    for name in ("a.jpg", "B.PNG", "deep/c.webp", "deep/er/d.bmp", "notes.txt", ".hidden.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def targets(tree: Path, output: Path, **options: object) -> set[str]:
    jobs = plan_jobs([tree], output, scale=4, **options)  # type: ignore[arg-type]
    return {str(job.target.relative_to(output)) for job in jobs}


def test_a_folder_keeps_names_and_tree(tree: Path, tmp_path: Path) -> None:
    assert targets(tree, tmp_path / "out") == {"a.jpg", "B.PNG"}
    assert targets(tree, tmp_path / "out", recursive=True) == {"a.jpg", "B.PNG", "deep/c.webp", "deep/er/d.png"}
    assert targets(tree, tmp_path / "out", recursive=True, format="webp") == {
        "a.webp",
        "B.webp",
        "deep/c.webp",
        "deep/er/d.webp",
    }


def test_results_inside_the_input_are_no_input_of_the_next_run(tree: Path) -> None:
    (tree / "out").mkdir()
    (tree / "out" / "old.png").touch()
    assert "out/old.png" not in targets(tree, tree / "out", recursive=True)


def test_one_name_from_two_formats_stays_two_files(tree: Path, tmp_path: Path) -> None:
    (tree / "a.png").touch()
    assert targets(tree, tmp_path / "out", format="png") == {"a.jpg.png", "a.png.png", "B.png"} - {"B.png"} | {"B.PNG"}


def test_single_files(tree: Path, tmp_path: Path) -> None:
    def one(*arguments: object, **options: object) -> tuple[str, str]:
        (job,) = plan_jobs(*arguments, scale=4, **options)  # type: ignore[arg-type]
        return job.target.name, job.format

    assert one([tree / "a.jpg"], None) == ("a_x4.jpg", "JPEG")
    assert one([tree / "deep/er/d.bmp"], None) == ("d_x4.png", "PNG")
    assert one([tree / "a.jpg"], tmp_path / "x.webp") == ("x.webp", "WEBP")
    assert one([tree / "a.jpg"], tree / "deep") == ("a.jpg", "JPEG")


def test_what_would_go_wrong_is_said_before_any_work(tree: Path, tmp_path: Path) -> None:
    for inputs, output, message in (
        ([tree / "none.png"], None, "no such file"),
        ([tree], None, "-o which folder"),
        ([tree], tree / "a.jpg", "expected a folder"),
        ([tree / "a.jpg"], tree / "a.jpg", "replace its own input"),
        ([tree], tree, "replace its own input"),
        ([tree / "a.jpg"], tmp_path / "x.doc", "doc"),
    ):
        with pytest.raises(InvalidOption, match=message):
            plan_jobs(inputs, output, scale=4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidOption, match="--recursive"):
        plan_jobs([tmp_path / "empty"], tmp_path / "out", scale=4)


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(NotAPicture, match="got a folder"):
        read_picture(tmp_path, Limits())
    (tmp_path / "big.png").write_bytes(bytes(101))
    with pytest.raises(PictureTooLarge, match="101 bytes, expected at most 100"):
        read_picture(tmp_path / "big.png", Limits(max_bytes=100))
    with pytest.raises(StorageError, match="cannot be read: No such file"):
        read_picture(tmp_path / "none.png", Limits())


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.png", b"whole")
    assert (tmp_path / "new" / "a.png").read_bytes() == b"whole"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    with pytest.raises(StorageError, match="folder: cannot be written"):
        write_whole(tmp_path / "folder", b"data")
    with pytest.raises(StorageError, match="cannot be written"):
        write_whole(tmp_path / "new" / "a.png" / "b.png", b"data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "new"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """The kernel's file size limit stands for the disk's end: the same failed write, a different errno."""
    (tmp_path / "a.png").write_bytes(b"old")
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from loupe.errors import StorageError; from loupe.files import write_whole\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_whole(Path(sys.argv[1]), bytes(5000))\n"
        "except StorageError as error: sys.exit(f'said: {error}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True, check=False
    )
    assert "said: " in done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"old"
