"""``loupe``: the command line. Parses, calls, shows; the work is elsewhere in the package.

loupe upscale photo.jpg -o larger.png
loupe draw sketch.png --samples 6 -o sheet.png
loupe models
loupe eval set5/ --model edsr_light_x4
"""

import json
import logging
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from loupe import __version__
from loupe.backends import Backend, SelfEnsemble, open_backend
from loupe.checkpoint import DOES
from loupe.cli_draw import draw
from loupe.cli_registry import registry
from loupe.errors import Cancelled, LoupeError
from loupe.files import Job, plan_jobs, read_picture, write_whole
from loupe.images import decode, encode, losses
from loupe.registry import default_model, list_models
from loupe.settings import Settings
from loupe.terminal import ModelsDir, err, errors_shown, fail, interrupt, out, progress_bars, read_settings
from loupe.upscale import Upscaler

app = typer.Typer(
    help="Make small or damaged pictures larger and sharper.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(registry, name="registry")
app.command()(draw)

BackendName = Annotated[
    str, typer.Option(help="auto, torch, openvino, or http://host:port of an inference server.", metavar="BACKEND")
]


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what happens.")] = False,
) -> None:
    """Make small or damaged pictures larger and sharper."""
    if version:
        out.print(f"loupe {__version__}")
        raise typer.Exit
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


@app.command()
def upscale(
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File or folder; without it name_x4.png beside each picture.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="See `loupe models`; default: the best of the factor.")] = None,
    factor: Annotated[int | None, typer.Option(help="2 or 4, instead of naming a model.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders within folders too.")] = False,
    format: Annotated[str | None, typer.Option(help="png, jpeg, webp, tiff, avif, ...; default: as the input.")] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, for JPEG, WebP and AVIF.")] = None,
    width: Annotated[int | None, typer.Option(help="Exact width of the result, up to the factor.")] = None,
    height: Annotated[int | None, typer.Option(help="Exact height of the result, up to the factor.")] = None,
    metadata: Annotated[bool, typer.Option(help="Keep EXIF (camera, date, place).")] = True,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave results that are there.")] = False,
    backend: BackendName = "auto",
    tile: Annotated[int, typer.Option(help="Side of a tile in input pixels: smaller needs less memory.")] = 256,
    workers: Annotated[int | None, typer.Option(help="Tiles at once; default 1, over HTTP 4.")] = None,
    self_ensemble: Annotated[
        bool, typer.Option("--self-ensemble", help="Average over 8 flips and turns: a little better, 8 times slower.")
    ] = False,
    models_dir: ModelsDir = None,
) -> None:
    """Enlarge pictures: colours, transparency, 16 bits, orientation and metadata are kept."""
    with errors_shown(), interrupt() as stop:
        settings = read_settings(models_dir)
        name = model or default_model(list_models(settings), factor)
        engine: Backend = open_backend(backend, name, settings)
        if self_ensemble:
            engine = SelfEnsemble(engine)
        workers = workers or (4 if backend.startswith("http") else 1)
        upscaler = Upscaler(engine, tile=tile, workers=workers, limits=settings.limits)
        jobs = plan_jobs(inputs, output, scale=engine.scale, format=format, recursive=recursive)
        if skip_existing:
            jobs = [job for job in jobs if not job.target.exists()]
        failed = 0
        with progress_bars() as bars:
            for number, job in enumerate(jobs, 1):
                label = f"{job.source.name}" if len(jobs) == 1 else f"[{number}/{len(jobs)}] {job.source.name}"
                task = bars.add_task(label.replace("[", "\\["), total=None)
                try:
                    _upscale_one(
                        job,
                        upscaler,
                        settings,
                        bars,
                        task,
                        stop,
                        quality=quality,
                        metadata=metadata,
                        size=(width, height),
                    )
                except Cancelled:
                    raise
                except LoupeError as error:
                    said = str(error) if str(job.source) in str(error) else f"{job.source}: {error}"
                    if len(jobs) == 1:
                        fail(error, said)
                    failed += 1
                    bars.console.print(f"failed: {said}", style="red", soft_wrap=True, markup=False)
                finally:
                    bars.remove_task(task)
        if failed:
            err.print(f"[red]{failed} of {len(jobs)} pictures failed[/]; the others are written")
            raise typer.Exit(1)


def _upscale_one(
    job: Job,
    upscaler: Upscaler,
    settings: Settings,
    bars: Progress,
    task: TaskID,
    stop: threading.Event,
    *,
    quality: int | None,
    metadata: bool,
    size: tuple[int | None, int | None],
) -> None:
    begin = time.perf_counter()
    picture = decode(read_picture(job.source, settings.limits), settings.limits)
    larger = upscaler.upscale(
        picture,
        width=size[0],
        height=size[1],
        progress=lambda now: bars.update(task, completed=now.done, total=now.total),
        cancelled=stop.is_set,
    )
    software = upscaler.provenance
    write_whole(job.target, encode(larger, job.format, quality=quality, software=software, keep_metadata=metadata))
    seconds = time.perf_counter() - begin
    sizes = f"{picture.width}x{picture.height} -> {larger.width}x{larger.height}"
    lines = [
        f"{job.target}  {sizes}  {upscaler.backend.name}  {seconds:.1f} s",
        *(f"  note: {note}" for note in (*larger.notes, *losses(larger, job.format))),
    ]
    show = bars.console if out.is_terminal else out  # above the bars on a screen, on stdout into a pipe
    show.print("\n".join(lines), soft_wrap=True, markup=False)


@app.command()
def models(
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the models: what they do, factor, size, measured quality, licence."""
    with errors_shown():
        infos = list_models(read_settings(models_dir))
        if as_json:
            out.print_json(json.dumps([info.model_dump() | {"kind": info.kind} for info in infos]))
            return
        kinds = {(info.kind, info.scale) for info in infos}
        defaults = {default_model(infos, scale, kind=kind) for kind, scale in kinds}
        table = Table(
            "model", "does", "factor", "weights", "Set5", "B100", "licence", "what for", box=None, pad_edge=False
        )
        for info in infos:
            table.add_row(
                f"{info.name}{' *' if info.name in defaults else ''}",
                DOES[info.kind].partition(" ")[0],
                f"x{info.scale}",
                f"{info.parameters / 1000:.0f} k",
                *(
                    f"{info.metrics[key]:.2f} dB" if key in info.metrics else ""
                    for key in ("set5_psnr_y", "b100_psnr_y")
                ),
                info.license,
                info.summary,
            )
        out.print(table)
        out.print(
            "\n* default of its kind and factor. Set5, B100: PSNR on luma, bicubic degradation; cards in loupe/weights."
        )


@app.command("eval")
def evaluate_command(
    benchmarks: Annotated[list[Path], typer.Argument(help="Folders of pictures, or with hr/ and lr_x4/.")],
    model: Annotated[
        list[str] | None, typer.Option(help="May be given several times; default: all that enlarge.")
    ] = None,
    backend: BackendName = "auto",
    models_dir: ModelsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs, with a row for each picture.")] = False,
) -> None:
    """Measure models beside bicubic: PSNR and SSIM on luma, border of the factor cut, as published tables do."""
    from loupe.evaluation import Result, evaluate, evaluate_bicubic, find_benchmark

    with errors_shown():
        settings = read_settings(models_dir)
        names = model or [info.name for info in list_models(settings, "enlarger")]
        results: list[Result] = []
        with progress_bars() as bars:
            for name in names:
                engine = open_backend(backend, name, settings)
                for folder in benchmarks:
                    pairs = find_benchmark(folder, engine.scale)
                    if not any(
                        r.model == "bicubic" and r.scale == engine.scale and r.benchmark == folder.name for r in results
                    ):
                        results.append(
                            evaluate_bicubic(pairs, engine.scale, benchmark=folder.name, limits=settings.limits)
                        )
                    task = bars.add_task(f"{name} on {folder.name}", total=len(pairs))
                    results.append(
                        evaluate(
                            engine,
                            pairs,
                            benchmark=folder.name,
                            limits=settings.limits,
                            progress=lambda done, total, task=task: bars.update(task, completed=done, total=total),  # type: ignore[misc]
                        )
                    )
                    bars.remove_task(task)
        if as_json:
            means = ("psnr_y", "ssim_y", "seconds", "megapixels")
            out.print_json(json.dumps([asdict(r) | {name: getattr(r, name) for name in means} for r in results]))
            return
        table = Table("model", "set", "factor", "PSNR-Y", "SSIM-Y", "s per output Mpx", box=None, pad_edge=False)
        for r in sorted(results, key=lambda r: (r.benchmark, r.scale, r.psnr_y)):
            speed = f"{r.seconds / r.megapixels:.3f}"
            table.add_row(r.model, r.benchmark, f"x{r.scale}", f"{r.psnr_y:.2f}", f"{r.ssim_y:.4f}", speed)
        out.print(table)
