"""``loupe eval``: how good models are, beside simpler answers.

loupe eval set5/ --model edsr_light_x4                                # enlargers: PSNR and SSIM beside bicubic
loupe eval faces32_eval.npy --model pixel_recursive_faces_small       # a model that draws: the table of its paper
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.table import Table

from loupe.arrays import SUFFIX, read_array
from loupe.backends import open_backend
from loupe.errors import InvalidOption
from loupe.files import write_whole
from loupe.images import Picture, encode, format_of
from loupe.registry import default_model, find_model, list_models
from loupe.settings import Settings
from loupe.terminal import BackendName, ModelsDir, errors_shown, out, progress_bars, read_settings

Report = Callable[[int, int], None]


class Drawn(NamedTuple):
    """What only models that draw are asked."""

    baselines: Sequence[Path]
    samples: int
    factors: Sequence[float]
    seed: int
    sheet: Path | None


def evaluate_command(
    benchmarks: Annotated[
        list[Path],
        typer.Argument(help="Folders of pictures, or with hr/ and lr_x4/; or, for models that draw, arrays in .npy."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(help="May be given several times; default: all that enlarge, of an array the one that draws."),
    ] = None,
    backend: BackendName = "auto",
    models_dir: ModelsDir = None,
    first: Annotated[int | None, typer.Option(min=1, help="Only so many pictures of each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, with a row for each picture.")] = False,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(help="Of a model that draws: a checkpoint to stand beside it; default: those that ship with it."),
    ] = None,
    samples: Annotated[int, typer.Option(min=2, help="Of a model that draws: samples, for the diversity.")] = 8,
    factor: Annotated[
        list[float] | None, typer.Option(help="Of a model that draws: of its logits; default: 1.0, 1.1 and 1.2.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of a model that draws.")] = 0,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Of a model that draws: a picture of input, bicubic, L2, samples, entropy and truth."),
    ] = None,
) -> None:
    """Measure models beside bicubic: PSNR and SSIM on luma, border of the factor cut, as published tables do.

    Of a model that draws: the table of its paper, on an array of small pictures (N,H,W,3) of uint8.
    """
    from loupe.drawing_evaluation import FACTORS

    with errors_shown():
        settings = read_settings(models_dir)
        arrays = [path for path in benchmarks if path.suffix == SUFFIX]
        drawn = Drawn(baseline or [], samples, factor or FACTORS, seed, sheet)
        if not arrays:
            if baseline or sheet or factor:
                raise InvalidOption("baseline, sheet, factor: got a folder, expected a .npy file: models that draw")
            _evaluate_enlargers(benchmarks, model, backend, settings, first, as_json=as_json)
        elif len(arrays) == len(benchmarks) and backend in ("auto", "torch"):
            _evaluate_drawing(arrays, model, drawn, settings, first, as_json=as_json)
        elif backend in ("auto", "torch"):
            raise InvalidOption("benchmarks: got folders and .npy files, expected one kind at a time")
        else:
            raise InvalidOption(f"backend: got {backend}, expected torch: its own network tells the bits")


def _evaluate_enlargers(
    folders: Sequence[Path],
    models: list[str] | None,
    backend: str,
    settings: Settings,
    first: int | None,
    *,
    as_json: bool,
) -> None:
    from loupe.evaluation import Result, evaluate, evaluate_bicubic, find_benchmark

    names = models or [info.name for info in list_models(settings, "enlarger")]
    results: list[Result] = []
    bicubic: dict[tuple[str, int], Result] = {}
    with progress_bars() as bars:
        for name in names:
            engine = open_backend(backend, name, settings)
            for folder in folders:
                pairs = find_benchmark(folder, engine.scale)[:first]
                key = (folder.name, engine.scale)
                if key not in bicubic:
                    bicubic[key] = evaluate_bicubic(pairs, engine.scale, benchmark=folder.name, limits=settings.limits)
                task = bars.add_task(f"{name} on {folder.name}", total=len(pairs))

                def report(done: int, total: int, task: object = task) -> None:
                    bars.update(task, completed=done, total=total)  # type: ignore[arg-type]

                results.append(evaluate(engine, pairs, benchmark=folder.name, limits=settings.limits, progress=report))
                bars.remove_task(task)
    results = [*bicubic.values(), *results]
    if as_json:
        means = ("psnr_y", "ssim_y", "seconds", "megapixels")
        out.print_json(json.dumps([asdict(r) | {name: getattr(r, name) for name in means} for r in results]))
        return
    table = Table("model", "set", "factor", "PSNR-Y", "SSIM-Y", "s per output Mpx", box=None, pad_edge=False)
    for r in sorted(results, key=lambda r: (r.benchmark, r.scale, r.psnr_y)):
        speed = f"{r.seconds / r.megapixels:.3f}"
        table.add_row(r.model, r.benchmark, f"x{r.scale}", f"{r.psnr_y:.2f}", f"{r.ssim_y:.4f}", speed)
    out.print(table)


def _evaluate_drawing(
    arrays: Sequence[Path],
    models: list[str] | None,
    drawn: Drawn,
    settings: Settings,
    first: int | None,
    *,
    as_json: bool,
) -> None:
    from loupe.drawing_table import explain, measure_table, read_compared, sheet_of, tabulate

    names = models or [default_model(list_models(settings), kind="sampler")]
    if drawn.sheet and len(names) * len(arrays) > 1:
        raise InvalidOption(f"sheet: got {len(names)} models and {len(arrays)} arrays, expected one of each")
    kind = format_of(drawn.sheet.name) if drawn.sheet else ""
    tables = []
    with progress_bars() as bars:
        for name in names:
            compared = read_compared(find_model(name, settings), drawn.baselines)
            for path in arrays:
                pictures = read_array(path)[:first].copy()
                task = bars.add_task(f"{name} on {path.name}", total=None)

                def report(done: int, total: int, task: object = task) -> None:
                    bars.update(task, completed=done, total=total)  # type: ignore[arg-type]

                table = measure_table(
                    compared,
                    pictures,
                    benchmark=path.stem,
                    factors=drawn.factors,
                    samples=drawn.samples,
                    seed=drawn.seed,
                    progress=report,
                )
                tables.append(table)
                bars.remove_task(task)
                if drawn.sheet:
                    color = sheet_of(compared, pictures, seed=drawn.seed)
                    write_whole(drawn.sheet, encode(Picture(color=color), kind))
    if as_json:
        out.print_json(json.dumps([asdict(table) for table in tables]))
        return
    for table in tables:
        out.print(tabulate(table))
        out.print(f"\n{explain(table)}", markup=False)
