"""The model card that ships beside a checkpoint: what it was made of, by what command, how good it is, and its limits.

path.write_text(write_card(info, Measured(metrics, lines), Told(run, benchmarks)))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loupe.checkpoint import CheckpointInfo
from training.log import read_log
from training.recipes import RECIPES

CARD = """\
# {name}

{summary}. {parameters:,} parameters, `{architecture}` {config}.

## Data

Trained on {data}. Low-resolution pictures by MATLAB's bicubic
(`loupe/degrade.py`). The sets below are in no training data.

## Recipe

`{name}` in `training/recipes.py`: {batch} crops a step, {steps:,} steps, {hours:.1f} hours in steps on {machine}.

    {command}

## Figures

{figures}

PSNR (dB) and SSIM on luma (BT.601), border of {scale} pixels cut, of the file that ships. Rows marked *published*
are quoted from the papers, all others come from one run of

    python -m training.ship runs/{name} {given}--output loupe/weights

and `loupe eval {first} --model {name}` prints the same.

## Limits

Trained on clean bicubic reduction: noise, blur and JPEG blocks of the input are enlarged too, and fine texture
below the input's resolution is smoothed rather than invented. What looks like new detail is plausible, not recovered:
no evidence of what was there. Text and faces have had no training of their own.

## Licence

Weights: {license}. Data: {data_license}.
"""

DRAWN_CARD = """\
# {name}

{summary}. {parameters:,} parameters, `{architecture}` {config}.

**What it draws is invented, not recovered.** From one input it draws many faces, and none of them is the one that was
there. It must not be used to identify anybody, nor as evidence of anything.

## Data

Trained on {data}: one picture in 33 held out for validation. Low-resolution pictures by MATLAB's bicubic
(`loupe/degrade.py`). The pictures measured below are in no training data. No picture of the data is in this repository.

## Recipe

`{name}` in `training/recipes.py` (arXiv 1702.00783, at a smaller size): {batch} pictures a step, {steps:,} steps,
{hours:.1f} hours in steps on {machine}.

    {command}

## Figures

{figures}

Whole pictures, no border cut, of the file that ships; PSNR (dB), SSIM and MS-SSIM on luma (MS-SSIM of two scales, all
that 32 pixels have room for). *logits*: what they are multiplied with before sampling, as in the paper. *regression*
(one answer by L2) and *independent* (each subpixel by itself, its likeliest level) are networks of the conditioning
network's size, trained on the same pictures; they lie in `baselines/`. PSNR favours the blurred mean of all answers
over any one of them, so that regression leads by it: bits tell how well a model knows what pictures are like.

All figures come from one run of

    python -m training.ship runs/{name} {given}--output loupe/weights

and `loupe eval {first} --model {name}` prints the same.

## Limits

- Faces are invented. Age, sex, skin, glasses and expression are guesses that follow what was frequent in the data.
- The data were collected from the web, with people and groups in unequal numbers: some faces are drawn worse than
  others, and an input may come out as somebody of another age, sex or origin than the person in it.
- It knows aligned faces of 32x32 pixels. Of anything else it makes something like a face, or noise.
- Some samples fail. A temperature of 0.8 to 0.9 draws calmer faces, more alike.
- Inputs are clean bicubic reductions. A sketch is far from those: soft shapes in the colours of photos work best.
{limits}
## Licence

Weights: {license}. Data: {data_license}.
"""


@dataclass(frozen=True)
class Measured:
    """``metrics`` go into the checkpoint, ``lines`` are the card's table."""

    metrics: dict[str, float]
    lines: list[str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What only the person who ships knows. ``given``: the arguments that say what it was measured on."""

    run: Path
    given: str
    first: str
    machine: str = ""
    command: str = ""
    data_license: str = ""
    limits: Sequence[str] = ()
    """Of this model that draws, beside those that all have."""


def write_card(info: CheckpointInfo, measured: Measured, told: Told) -> str:
    """The model card as Markdown."""
    records = [record for record in read_log(told.run / "log.jsonl") if "images_per_second" in record]
    batch = RECIPES[info.name]().batch
    done, seconds = 0.0, 0.0
    for record in records:
        seconds += (record["step"] - done) * batch / record["images_per_second"]
        done = record["step"]
    card = CARD if info.kind == "enlarger" else DRAWN_CARD
    return card.format(
        **info.model_dump(include={"name", "summary", "parameters", "architecture", "scale", "license", "data"}),
        config=", ".join(f"{key} {value}" for key, value in info.config.items()),
        batch=batch,
        steps=int(done),
        hours=seconds / 3600,
        machine=told.machine or "a machine that was not named",
        command=told.command or f"python -m training --recipe {info.name} --data PHOTOS",
        figures="\n".join(measured.lines),
        given=told.given,
        first=told.first,
        data_license=told.data_license,
        limits="".join(f"- {limit}\n" for limit in told.limits),
    )
