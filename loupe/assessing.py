"""Everything that is measured of one checkpoint, in one pass over the pictures.

    benchmarks = {"set5": find_benchmark(Path("set5"), scale=4)}
    assessment = assess(Path("edsr_x4.safetensors"), benchmarks)

Each picture is read once and enlarged once as it is. Robustness, six more runs, is measured on the middle of a few.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from loupe.assessment import Assessment, Figures, Group, PictureRow, Speed, finite_psnr, mean_of
from loupe.backends import LocalBackend, OpenVINOBackend, load_backend
from loupe.checkpoint import read_info
from loupe.degrade import bicubic_upscale
from loupe.errors import InvalidOption, StorageError
from loupe.evaluation import Enlarge, Pair, Row, enlarging, measure_row, read_pair
from loupe.files import read_picture
from loupe.images import decode
from loupe.metrics import WINDOW
from loupe.quality import Quality, measure
from loupe.robustness import CONDITIONS, centre
from loupe.settings import Settings
from loupe.slices import SLICES, slices_of


def assess(
    checkpoint: Path,
    benchmarks: Mapping[str, Sequence[Pair]],
    *,
    features: Mapping[str, Quality] | None = None,
    backend: LocalBackend | None = None,
    settings: Settings | None = None,
    robust_pictures: int = 8,
    robust_side: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> Assessment:
    """Measure ``checkpoint``, which ``backend`` runs if it is given.

    ``features`` by the SHA-256 of the high-resolution files; a picture that is not among them is measured here.
    Robustness is measured on ``robust_pictures`` of all pictures (0: none), in the middle ``robust_side`` pixels.
    ``progress`` is told pictures done and their number. Raises CheckpointError, InvalidOption, what pictures raise.
    """
    settings = settings or Settings()
    backend = backend or load_backend(checkpoint, settings)
    with one_thread_beside(backend):
        return _assess(
            checkpoint, benchmarks, features or {}, backend, settings, robust_pictures, robust_side, progress
        )


@contextmanager
def one_thread_beside(backend: LocalBackend) -> Iterator[None]:
    """Figures on one thread of torch while OpenVINO runs the model.

    They are small sums, after which torch's threads spin and wait: with other work on two cores, two threads took 92 s
    for what one did in 7 s.
    """
    before = torch.get_num_threads()
    if isinstance(backend, OpenVINOBackend):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _assess(
    checkpoint: Path,
    benchmarks: Mapping[str, Sequence[Pair]],
    features: Mapping[str, Quality],
    backend: LocalBackend,
    settings: Settings,
    robust_pictures: int,
    robust_side: int,
    progress: Callable[[int, int], None] | None,
) -> Assessment:
    info = read_info(checkpoint)
    hashes = hash_pictures(benchmarks, info.scale, robust_pictures, robust_side)
    runs = _Runs(enlarging(backend, settings.limits), info.scale, robust_side)
    rows: dict[str, list[PictureRow]] = {name: [] for name in benchmarks}
    jobs = [(name, pair) for name, pairs in benchmarks.items() for pair in pairs]
    chosen = set(sorted({hashes[pair.hr] for _, pair in jobs})[:robust_pictures])
    for done, (name, pair) in enumerate(jobs):
        sha256 = hashes[pair.hr]
        quality = features.get(sha256) or measure(decode(read_picture(pair.hr, settings.limits), settings.limits))
        hr, lr = read_pair(pair, info.scale, settings.limits)
        rows[name].append(runs.clean(pair.hr.stem, sha256, quality, hr, lr))
        if sha256 in chosen:
            chosen.remove(sha256)  # a picture of two benchmarks counts once
            runs.robust(pair.hr.stem, sha256, quality, hr, lr)
        if progress:
            progress(done + 1, len(jobs))
    every = [row for group in rows.values() for row in group]
    return Assessment(
        model=info.name,
        version=info.version,
        scale=info.scale,
        parameters=info.parameters,
        bytes=checkpoint.stat().st_size,
        sha256=hash_file(checkpoint),
        weights_sha256=hash_weights(checkpoint),
        evaluated_on=hashes.evaluated_on,
        benchmarks={name: tuple(group) for name, group in rows.items()},
        slices=_slices(every),
        robustness={name: mean_of(group) for name, group in runs.conditions.items() if group},
        robust_pictures=robust_pictures,
        robust_side=robust_side,
        speed=Speed(seconds_per_megapixel=median(runs.speeds), backend=backend.kind, threads=backend.threads),
    )


class _Runs:
    """The model beside bicubic, on the same input."""

    def __init__(self, enlarge: Enlarge, scale: int, side: int) -> None:
        self._enlarge, self._bicubic = enlarge, partial(bicubic_upscale, factor=scale)
        self._scale, self._side = scale, max(side, WINDOW + 2 * scale)
        self.speeds: list[float] = []
        self.conditions: dict[str, list[PictureRow]] = {name: [] for name in CONDITIONS}
        self._warm = False

    def clean(self, name: str, sha256: str, quality: Quality, hr: Tensor, lr: Tensor) -> PictureRow:
        if not self._warm:
            self._enlarge(lr)  # the first run of a shape also makes buffers and plans
            self._warm = True
        row, model = self._both(name, sha256, quality, hr, lr)
        self.speeds.append(model.seconds / model.megapixels)
        return row

    def robust(self, name: str, sha256: str, quality: Quality, hr: Tensor, lr: Tensor) -> None:
        middle = centre(hr, lr, self._side, self._scale)
        for condition, rows in self.conditions.items():
            rows.append(self._both(name, sha256, quality, *CONDITIONS[condition].apply(*middle))[0])

    def _both(self, name: str, sha256: str, quality: Quality, hr: Tensor, lr: Tensor) -> tuple[PictureRow, Row]:
        model, bicubic = (measure_row(name, by, hr, lr, self._scale) for by in (self._enlarge, self._bicubic))
        figures = {"model": _figures(model), "bicubic": _figures(bicubic)}
        return PictureRow(name=name, sha256=sha256, quality=quality, **figures), model


class Hashes(dict[Path, str]):
    """SHA-256 of files by path, and of all that was asked."""

    evaluated_on: str = ""


def hash_pictures(benchmarks: Mapping[str, Sequence[Pair]], scale: int, pictures: int, side: int) -> Hashes:
    """Raises StorageError, and InvalidOption where there is nothing to measure on."""
    if not benchmarks or not all(benchmarks.values()):
        empty = ", ".join(name for name, pairs in benchmarks.items() if not pairs) or "no benchmark at all"
        raise InvalidOption(f"benchmarks: got {empty}, expected at least one picture in each")
    hashes = Hashes()
    sets = []
    for name, pairs in benchmarks.items():
        hashes |= {path: hash_file(path) for pair in pairs for path in (pair.hr, pair.lr) if path}
        sets.append([name, [[hashes[pair.hr], hashes[pair.lr] if pair.lr else ""] for pair in pairs]])
    conditions = [pictures, side, list(CONDITIONS)] if pictures else []
    told = json.dumps([scale, sorted(sets), conditions])
    hashes.evaluated_on = hashlib.sha256(told.encode()).hexdigest()
    return hashes


def hash_file(path: Path) -> str:
    """SHA-256. Raises StorageError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error


def hash_weights(checkpoint: Path) -> str:
    """SHA-256 of architecture, config and weights in half precision, as checkpoints are stored.

    So one model has the same whatever its version, metrics and the precision it was saved in. Raises CheckpointError.
    """
    from safetensors.torch import load_file

    info = read_info(checkpoint)
    digest = hashlib.sha256(json.dumps([info.architecture, info.scale, info.config], sort_keys=True).encode())
    for name, tensor in sorted(load_file(checkpoint).items()):
        half = tensor.half().contiguous()
        digest.update(json.dumps([name, list(half.shape)]).encode())
        digest.update(half.numpy().tobytes())
    return digest.hexdigest()


def _figures(row: Row) -> Figures:
    return Figures(psnr_y=finite_psnr(row.psnr_y), ssim_y=row.ssim_y)


def _slices(rows: Iterable[PictureRow]) -> dict[str, Group]:
    """By slice, those that hold a picture; one that is in two benchmarks counts once."""
    distinct = {row.sha256: row for row in rows}.values()
    held = {name: [row for row in distinct if name in slices_of(row.quality)] for name in SLICES}
    return {name: mean_of(group) for name, group in held.items() if group}
