"""``loupe draw``: pictures that fit a sketch of a few cells, on one sheet or as files.

loupe draw sketch.png --samples 6 --temperature 1.05 --seed 3 -o sheet.png
"""

import random
import time
from pathlib import Path
from typing import Annotated

import typer

from loupe.artists import made_by, open_artist
from loupe.drawing import (
    Drawing,
    DrawOptions,
    encode_entropy,
    provenance,
    read_draw_options,
    read_given,
    read_sketch,
    shrink_to_cells,
)
from loupe.drawing_sheet import compose_sheet
from loupe.errors import InvalidOption
from loupe.files import read_picture, write_whole
from loupe.images import Picture, decode, encode, format_of
from loupe.registry import default_model, list_models
from loupe.terminal import ModelsDir, err, errors_shown, interrupt, out, progress_bars, read_settings

INVENTED = (
    "What is drawn is invented, not recovered: faces are nobody's, and must not be used to say who is in a picture."
)
NEW_SEEDS = 1_000_000


def draw(
    sketch: Annotated[Path, typer.Argument(help="A picture of 1 to 16 pixels a side: each is a cell of the sketch.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The sheet; without it name_drawn.png beside the sketch.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", help="Pictures to draw, 1 to 8.")] = 6,
    temperature: Annotated[
        float, typer.Option(help="0.1 to 2: below 1 calmer and more alike, above 1 wilder.", show_default=True)
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(help="Of the first picture; the second has the next one. Default: another each time.")
    ] = None,
    top_p: Annotated[float, typer.Option(help="Leave out levels beyond this probability, 0 to 1.")] = 1.0,
    cells: Annotated[
        str | None,
        typer.Option(
            help="8 or 12x8: make any picture a sketch of so many cells, cut to their shape.", metavar="CELLS"
        ),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            help="A picture of the size that is drawn, whose opaque pixels are kept; or its upper part. "
            "Exact for an upper part, else approximate: what is drawn does not see what lies below it."
        ),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Of that size too: keep the given pixels where this is light.")
    ] = None,
    entropy: Annotated[
        bool,
        typer.Option("--entropy", help="Show too where the model guessed: bits a pixel, over the picture and alone."),
    ] = False,
    files: Annotated[
        Path | None,
        typer.Option(help="A folder for each picture by itself, in its own pixels; with --entropy its map."),
    ] = None,
    zoom: Annotated[int, typer.Option(min=1, max=64, help="How much larger the sheet shows each pixel.")] = 6,
    model: Annotated[str | None, typer.Option(help="One that draws; see `loupe models`.")] = None,
    backend: Annotated[
        str, typer.Option(help="auto, torch, or http://host:port of an inference server.", metavar="BACKEND")
    ] = "auto",
    models_dir: ModelsDir = None,
) -> None:
    """Draw pictures that fit a sketch of a few cells, such as a face of 8x8 pixels.

    Each answer is one of many that are plausible, and is invented: nobody's face is recovered.

    The same seed, sketch and options give the same picture again, alone or among others.
    """
    with errors_shown(), interrupt() as stop:
        settings = read_settings(models_dir)
        options = read_draw_options(
            {
                "samples": samples,
                "temperature": temperature,
                "top_p": top_p,
                "seed": random.randrange(NEW_SEEDS) if seed is None else seed,
            }
        )
        options.check(settings.drawing)
        target = output or sketch.with_name(f"{sketch.stem}_drawn.png")
        if target.resolve() == sketch.resolve():
            raise InvalidOption(f"{target}: the sheet would replace the sketch; give another -o")
        kind = format_of(target.name)
        picture = decode(read_picture(sketch, settings.limits), settings.limits)
        if cells is not None:
            picture = shrink_to_cells(picture, *read_cells(cells))
        small = read_sketch(picture, settings.drawing)
        name = model or default_model(list_models(settings), kind="sampler")
        begin = time.perf_counter()
        artist = open_artist(backend, name, settings)
        height, width = (side * artist.scale for side in small.shape[:2])
        known = None
        if given is not None:
            whole = decode(read_picture(given, settings.limits), settings.limits)
            light = None if mask is None else decode(read_picture(mask, settings.limits), settings.limits)
            known = read_given(whole, light, height=height, width=width)
        elif mask is not None:
            raise InvalidOption("mask: got one without a picture, expected --given too")
        with progress_bars() as bars:
            task = bars.add_task(f"drawing {samples} of {width}x{height}", total=height)
            drawing = artist.draw(
                small,
                options,
                known,
                on_row=lambda y, _: bars.update(task, completed=y + 1),
                cancelled=stop.is_set,
            )
        seconds = time.perf_counter() - begin
        by = provenance(made_by(artist), options.seeds, options)
        sheet = compose_sheet(
            small, drawing, options.seeds, scale=artist.scale, zoom=zoom, entropy=entropy, foot=f"{by}, not recovered"
        )
        write_whole(target, encode(Picture(color=sheet), kind, software=by))
        if files is not None:
            _write_files(files, sketch.stem, drawing, options, made_by(artist), entropy=entropy)
        seeds = f"seed {options.seed}" if samples == 1 else f"seeds {options.seeds[0]} to {options.seeds[-1]}"
        sizes = f"{small.shape[1]}x{small.shape[0]} -> {samples} of {width}x{height}"
        out.print(f"{target}  {sizes}  {artist.name}  {seeds}  {seconds:.1f} s", soft_wrap=True, markup=False)
        err.print(f"note: {INVENTED}", soft_wrap=True, markup=False)


def read_cells(text: str) -> tuple[int, int]:
    """``"8"`` -> (8, 8), ``"12x8"`` -> (12, 8). Raises InvalidOption."""
    width, _, height = text.lower().partition("x")
    if not width.isdecimal() or not (height or width).isdecimal():
        raise InvalidOption(f"cells: got {text!r}, expected a number such as 8, or two such as 12x8")
    return int(width), int(height or width)


def _write_files(folder: Path, stem: str, drawing: Drawing, options: DrawOptions, by: str, *, entropy: bool) -> None:
    for index, seed in enumerate(options.seeds):
        software = provenance(by, [seed], options)
        path = folder / f"{stem}_seed{seed}.png"
        write_whole(path, encode(Picture(color=drawing.pictures[index]), "PNG", software=software))
        if entropy:
            write_whole(folder / f"{stem}_seed{seed}_entropy.png", encode_entropy(drawing.entropy[index]))
