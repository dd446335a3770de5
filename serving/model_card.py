"""The card of a version that a pipeline made: Markdown, for whoever thinks of using it."""

from loupe.assessment import Assessment, Group
from loupe.checkpoint import CheckpointInfo
from loupe.records import Lineage

CARD = """\
# {name}, version {version}

{summary}{parameters:,} parameters, `{architecture}` {config}.

## Data

Trained on {data}. {manifest}Low-resolution pictures by MATLAB's bicubic (`loupe/degrade.py`).

## Recipe

{recipe}

## Figures

{figures}

PSNR (dB) and SSIM on luma (BT.601), border of {scale} pixels cut; means over pictures, bicubic beside the model. On
{backend} with {threads} threads {seconds:.2f} s for a megapixel of result; the file has {megabytes:.1f} MB.

## Limits

{limits} Where it lost to bicubic: {lost}. What looks like new detail is plausible, not recovered: no evidence of what
was there.

## Licence

Weights: {license}. Data: as their owners say.
"""


def write_card(info: CheckpointInfo, assessment: Assessment, lineage: Lineage) -> str:
    """The card as Markdown; of what nobody said it says so."""
    parts: dict[str, Group] = assessment.groups
    parts |= {f"{name} pictures": group for name, group in assessment.slices.items()}
    parts |= {f"under {name.replace('_', ' ')}": group for name, group in assessment.robustness.items()}
    lines = ["| on | pictures | model | PSNR-Y | SSIM-Y |", "|---|---|---|---|---|"]
    for name, group in parts.items():
        for who, told in (("bicubic", "bicubic"), ("model", f"**{info.name}**")):
            figures = group.of("model" if who == "model" else "bicubic")
            lines.append(f"| {name} | {group.count} | {told} | {figures.psnr_y:.2f} | {figures.ssim_y:.4f} |")
    recipe = f"`{lineage.recipe}` in `training/recipes.py`" if lineage.recipe else "Not said"
    return CARD.format(
        **info.model_dump(include={"name", "version", "parameters", "architecture", "scale"}),
        summary=f"{info.summary}. " if info.summary else "",
        config=", ".join(f"{key} {value}" for key, value in info.config.items()),
        data=info.data or "data that were not named",
        manifest=f"The manifest's version is `{lineage.data}`. " if lineage.data else "",
        recipe=f"{recipe}, run `{lineage.run}`." if lineage.run else f"{recipe}.",
        figures="\n".join(lines),
        backend=assessment.speed.backend,
        threads=assessment.speed.threads,
        seconds=assessment.speed.seconds_per_megapixel,
        megabytes=assessment.bytes / 1e6,
        limits=_limits(assessment),
        lost=", ".join(name for name, group in parts.items() if _lost(group)) or "nowhere above",
        license=info.license or "not said",
    )


def _lost(group: Group) -> bool:
    return group.model.psnr_y < group.bicubic.psnr_y


def _limits(assessment: Assessment) -> str:
    """What these figures do not tell."""
    count = sum(len(rows) for rows in assessment.benchmarks.values())
    counted = "1 picture was" if count == 1 else f"{count} pictures were"
    few = "" if count >= 20 else f" Only {counted} measured, so small differences mean little."
    return f"Trained on clean bicubic reduction: noise, blur and JPEG blocks of the input are enlarged too.{few}"
