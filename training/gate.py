"""The gate: is a candidate to serve? A pure function of two assessments and of rules.

    decision = decide(candidate, incumbent, GateRules(metric="set5_psnr_y", margin=0.1))
    decision.answer         # "promote" or "keep"
    decision.summary        # "Not promoted, because slice dark ..."

Without an incumbent the candidate has to beat bicubic. Its robustness is then told, not judged: bicubic blurs noise and
blocks away, which no network trained on clean pictures does (``edsr_fast_x4`` gains 2.7 dB on Set5 and loses 1.0 dB
under noise of 15 levels), so that no first version could ever be promoted.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from loupe.assessment import Assessment, AssessmentError, Group, require_comparable
from loupe.errors import InvalidOption

Answer = Literal["promote", "keep"]
ROUNDING = 1e-9  # 31.15 - 31.10 is a little less than 0.05


class GateRules(BaseModel):
    """When a candidate is promoted. Tolerances are in dB of PSNR-Y, the margin in the unit of ``metric``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str = Field(default="psnr_y", description="a figure, such as psnr_y (mean over benchmarks) or set5_psnr_y")
    margin: FiniteFloat = Field(default=0.05, ge=0, description="better than the incumbent by at least so much")
    tolerance: FiniteFloat = Field(default=0.1, ge=0, description="worse on no slice by more than so much")
    robust_tolerance: FiniteFloat = Field(default=0.3, ge=0, description="nor under a condition of robustness by more")
    max_bytes: int = Field(default=0, ge=0, description="of the checkpoint; 0: no limit")
    max_seconds_per_megapixel: FiniteFloat = Field(default=0, ge=0, description="of results; 0: no limit")


class Verdict(BaseModel):
    """One rule's; ``passed`` is None for what is told and not judged."""

    model_config = ConfigDict(frozen=True)

    rule: str
    passed: bool | None
    text: str


class Decision(BaseModel):
    """``reasons`` holds every rule's verdict with its numbers; ``baseline`` names what the candidate must beat."""

    model_config = ConfigDict(frozen=True)

    promote: bool
    baseline: str
    gain: float = Field(description="of the candidate over the baseline, in the rules' metric")
    reasons: tuple[Verdict, ...]

    @property
    def answer(self) -> Answer:
        return "promote" if self.promote else "keep"

    @property
    def summary(self) -> str:
        """One sentence: why."""
        if self.promote:
            return f"Promoted: {self.reasons[0].text}."
        return "Not promoted, because " + "; ".join(each.text for each in self.reasons if each.passed is False) + "."


def decide(candidate: Assessment, incumbent: Assessment | None, rules: GateRules) -> Decision:
    """AssessmentError if the two cannot be compared, InvalidOption for a metric that was not measured."""
    baseline = "bicubic" if incumbent is None else f"version {incumbent.version}, which serves"
    if incumbent is not None and incumbent.weights_sha256 == candidate.weights_sha256:
        same = Verdict(rule="another model", passed=False, text=f"{baseline}, is this very checkpoint")
        return Decision(promote=False, baseline=baseline, gain=0.0, reasons=(same,))
    if incumbent is not None:
        require_comparable(candidate, incumbent)
    figures = candidate.figures()
    before = candidate.figures("bicubic") if incumbent is None else incumbent.figures()
    gain = figures[_known(rules.metric, candidate)] - before[rules.metric]
    digits = 4 if rules.metric.endswith("ssim_y") else 2
    better = Verdict(
        rule="better",
        passed=gain > 0 and gain >= rules.margin - ROUNDING,
        text=f"{rules.metric} is {figures[rules.metric]:.{digits}f}, {_gap(gain, digits)} {baseline} "
        f"({before[rules.metric]:.{digits}f}); asked for is at least {rules.margin:g} above",
    )
    reasons = (better, *_parts(candidate, incumbent, rules), *_limits(candidate, rules))
    return Decision(
        promote=all(each.passed is not False for each in reasons), baseline=baseline, gain=gain, reasons=reasons
    )


def _known(metric: str, candidate: Assessment) -> str:
    known = list(candidate.figures("bicubic"))
    if metric not in known:
        raise InvalidOption(f"metric: got {metric!r}, expected one of {', '.join(known)}")
    return metric


def _parts(candidate: Assessment, incumbent: Assessment | None, rules: GateRules) -> Iterator[Verdict]:
    """Of every slice, then of every condition."""
    others = incumbent or candidate
    yield from _worst("slice", candidate.slices, others.slices, incumbent is None, rules.tolerance)
    told = None if incumbent is None else rules.robust_tolerance
    yield from _worst("robustness", candidate.robustness, others.robustness, incumbent is None, told)


def _worst(
    kind: str, own: Mapping[str, Group], others: Mapping[str, Group], bicubic: bool, tolerance: float | None
) -> Iterator[Verdict]:
    """A verdict for each group; without ``tolerance`` it is told only."""
    if own.keys() != others.keys():
        got = f"{', '.join(own) or 'none'} against {', '.join(others) or 'none'}"
        raise AssessmentError(f"{kind}: got {got}, expected the same; evaluate both with the same features")
    for name, group in own.items():
        before = (others[name].bicubic if bicubic else others[name].model).psnr_y
        gain = group.model.psnr_y - before
        against = "bicubic" if bicubic else "what serves"
        text = f"{kind} {name} ({group.count} pictures) is {group.model.psnr_y:.2f} dB, {_gap(gain)} {against}"
        passed = None if tolerance is None else gain >= -tolerance - ROUNDING
        text += "; told, not judged" if tolerance is None else f"; allowed is {tolerance:g} below"
        yield Verdict(rule=f"{kind} {name}", passed=passed, text=text.replace("(1 pictures)", "(1 picture)"))


def _limits(candidate: Assessment, rules: GateRules) -> Iterator[Verdict]:
    limit = rules.max_bytes
    allowed = f"allowed is {limit:,}" if limit else "there is no limit"
    text = f"the checkpoint has {candidate.bytes:,} bytes; {allowed}"
    yield Verdict(rule="size", passed=not limit or candidate.bytes <= limit, text=text)
    seconds, most = candidate.speed.seconds_per_megapixel, rules.max_seconds_per_megapixel
    allowed = f"allowed is {most:g}" if most else "there is no limit"
    text = f"a megapixel takes {seconds:.3f} s by {candidate.speed.backend}; {allowed}"
    yield Verdict(rule="speed", passed=not most or seconds <= most, text=text)


def _gap(gain: float, digits: int = 2) -> str:
    return f"{abs(gain):.{digits}f} {'above' if gain >= 0 else 'below'}"
