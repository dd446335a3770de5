"""What a checkpoint is evaluated on: folders that somebody names, or what the manifest of the data holds out.

benchmarks = find_benchmarks(manifest, ["set5/", "b100/"], scale=4)
assessment, sheet = evaluate_checkpoint(checkpoint, manifest, repository, ["set5/", "b100/"])
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from loupe.assessing import assess, hash_file, one_thread_beside
from loupe.assessment import Assessment
from loupe.backends import load_backend
from loupe.checkpoint import read_info
from loupe.contact_sheet import Sheet, make_sheet
from loupe.errors import InvalidOption
from loupe.evaluation import Pair, enlarging, find_benchmark
from loupe.settings import Settings
from training.features.repository import read_historical
from training.manifest import Entry, Manifest

Benchmarks = Mapping[str, Sequence[Pair]]


def evaluate_checkpoint(
    checkpoint: Path,
    manifest: Manifest,
    repository: Path,
    folders: Sequence[str] = (),
    *,
    robust_pictures: int = 8,
    settings: Settings | None = None,
) -> tuple[Assessment, Sheet]:
    """The assessment, with slices by the historical features of the Feast ``repository``, and the contact sheet."""
    settings, info = settings or Settings(), read_info(checkpoint)
    benchmarks = find_benchmarks(manifest, folders, info.scale)
    pairs = [pair for group in benchmarks.values() for pair in group]
    features = read_historical(repository, [hash_file(pair.hr) for pair in pairs])
    backend = load_backend(checkpoint, settings)
    with one_thread_beside(backend):
        made = assess(
            checkpoint,
            benchmarks,
            features=features,
            backend=backend,
            settings=settings,
            robust_pictures=robust_pictures,
        )
        models = {info.name: enlarging(backend, settings.limits)}
        return made, make_sheet(pairs, models, info.scale, limits=settings.limits)


def find_benchmarks(manifest: Manifest, folders: Sequence[str], scale: int) -> dict[str, list[Pair]]:
    """Pairs by the name of their benchmark, which is fit for the name of a figure.

    Without ``folders`` the manifest's pictures to evaluate on, by source; without such, those that it validates on.
    InvalidOption when there is nothing.
    """
    if folders:
        found = [(Path(folder), find_benchmark(Path(folder), scale)) for folder in folders]
    else:
        entries = manifest.of("eval") or manifest.of("valid")
        if not entries:
            raise InvalidOption(
                "benchmarks: got none, and a manifest without pictures to evaluate or to validate on; "
                "give a folder of pictures that are not trained on"
            )
        found = [
            (Path(root), _pairs_of(manifest, [entry for entry in entries if entry.source == source], scale))
            for source, root in manifest.sources.items()
            if any(entry.source == source for entry in entries)
        ]
    named: dict[str, list[Pair]] = {}
    for folder, pairs in found:
        named[_label(folder, named)] = pairs
    return named


def _pairs_of(manifest: Manifest, entries: Sequence[Entry], scale: int) -> list[Pair]:
    """Of one source; if it is laid out as a benchmark, its own low-resolution pictures are not among the high ones."""
    root = Path(manifest.sources[entries[0].source])
    there = {manifest.locate(entry) for entry in entries}
    if (root / "hr").is_dir():
        return [pair for pair in find_benchmark(root, scale) if pair.hr in there]
    return [Pair(path, None) for path in sorted(there)]


def _label(folder: Path, taken: Mapping[str, object]) -> str:
    """``Set 5/hr`` -> ``set_5``, with a number if that is taken."""
    folder = folder.absolute()
    name = folder.parent.name if folder.name == "hr" else folder.name
    name = re.sub(r"\W+", "_", name.lower()).strip("_") or "benchmark"
    return next(label for n in range(1, len(taken) + 2) if (label := name if n == 1 else f"{name}_{n}") not in taken)
