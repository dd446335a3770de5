"""The gate's rules, one by one, on figures whose answers are known."""

import pytest

from loupe.assessment import Assessment, AssessmentError, Figures, Group, PictureRow, Speed
from loupe.errors import InvalidOption
from tests.qualities import QUALITY
from training.gate import GateRules, decide


def figures(psnr: float) -> Figures:
    return Figures(psnr_y=psnr, ssim_y=psnr / 50)


def group(model: float, bicubic: float = 28.0, count: int = 2) -> Group:
    return Group(count=count, model=figures(model), bicubic=figures(bicubic))


def made(psnr: float, *, version: str = "1", weights: str = "a", **more: object) -> Assessment:
    """An assessment of one picture; bicubic has 28 dB everywhere."""
    row = PictureRow(name="bird", sha256="0" * 64, quality=QUALITY, model=figures(psnr), bicubic=figures(28.0))
    given: dict[str, object] = {
        "model": "tiny_x4",
        "version": version,
        "scale": 4,
        "parameters": 1000,
        "bytes": 5000,
        "sha256": "1" * 64,
        "weights_sha256": weights * 64,
        "evaluated_on": "3" * 64,
        "benchmarks": {"set5": (row,)},
        "slices": {"dark": group(30.0), "flat": group(33.0)},
        "robustness": {"noise_15": group(26.0)},
        "speed": Speed(seconds_per_megapixel=0.5, backend="torch", threads=2),
    }
    return Assessment.model_validate(given | more)


OLD = made(31.0, version="3", weights="b")


def test_better_by_the_margin_is_promoted_and_every_rule_told() -> None:
    decision = decide(made(31.05), OLD, GateRules(margin=0.05))  # 31.05 - 31.0 is a little less, in binary
    assert decision.answer == "promote"
    assert decision.gain == pytest.approx(0.05)
    assert decision.summary.startswith("Promoted: psnr_y is 31.05, 0.05 above version 3, which serves (31.00)")
    assert [each.rule for each in decision.reasons] == [
        "better",
        "slice dark",
        "slice flat",
        "robustness noise_15",
        "size",
        "speed",
    ]
    assert all(each.passed for each in decision.reasons)


@pytest.mark.parametrize(("psnr", "margin"), [(31.04, 0.05), (31.0, 0.0), (30.9, 0.0)])
def test_less_than_the_margin_is_kept_out(psnr: float, margin: float) -> None:
    decision = decide(made(psnr), OLD, GateRules(margin=margin))
    assert decision.answer == "keep"
    assert decision.summary.startswith(f"Not promoted, because psnr_y is {psnr:.2f}, ")


def test_the_metric_can_be_chosen() -> None:
    candidate = made(30.0, slices={"dark": group(31.0), "flat": group(33.0)})
    assert decide(candidate, OLD, GateRules()).answer == "keep"
    chosen = decide(candidate, OLD, GateRules(metric="slice_dark_psnr_y", margin=0.9))
    assert chosen.answer == "promote"
    assert chosen.gain == pytest.approx(1.0)
    similar = decide(made(31.5), OLD, GateRules(metric="set5_ssim_y", margin=0.02))
    assert "set5_ssim_y is 0.6300, 0.0100 above version 3, which serves (0.6200)" in similar.summary
    with pytest.raises(InvalidOption, match=r"metric: got 'lpips', expected one of psnr_y, ssim_y, .*set5_psnr_y"):
        decide(made(32.0), OLD, GateRules(metric="lpips"))
    with pytest.raises(InvalidOption, match="got 'bytes'"):  # smaller is better: there is a rule for it
        decide(made(32.0), OLD, GateRules(metric="bytes"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"slices": {"dark": group(29.8), "flat": group(33.0)}}, "slice dark (2 pictures) is 29.80 dB, 0.20 below"),
        ({"slices": {"dark": group(30.0), "flat": group(32.0, count=1)}}, "slice flat (1 picture) is 32.00 dB, 1.00 b"),
        ({"robustness": {"noise_15": group(25.6)}}, "robustness noise_15 (2 pictures) is 25.60 dB, 0.40 below"),
        ({"bytes": 6001}, "the checkpoint has 6,001 bytes; allowed is 6,000"),
        (
            {"speed": Speed(seconds_per_megapixel=1.25, backend="torch", threads=2)},
            "a megapixel takes 1.250 s by torch; allowed is 1",
        ),
    ],
)
def test_one_broken_rule_is_enough_and_is_named(change: dict[str, object], told: str) -> None:
    rules = GateRules(tolerance=0.1, robust_tolerance=0.3, max_bytes=6000, max_seconds_per_megapixel=1)
    assert decide(made(32.0), OLD, rules).promote
    decision = decide(made(32.0, **change), OLD, rules)
    assert decision.answer == "keep"
    assert decision.summary.startswith(f"Not promoted, because {told}")
    assert sum(each.passed is False for each in decision.reasons) == 1


def test_a_loss_within_the_tolerance_and_no_limits_pass() -> None:
    change = {"slices": {"dark": group(29.9), "flat": group(33.0)}, "robustness": {"noise_15": group(25.7)}}
    slow = Speed(seconds_per_megapixel=900, backend="torch", threads=1)
    assert decide(made(32.0, **change, bytes=10**9, speed=slow), OLD, GateRules()).promote


def test_without_an_incumbent_bicubic_is_to_be_beaten() -> None:
    first = decide(made(28.2), None, GateRules(margin=0.1))
    assert first.answer == "promote"
    assert first.gain == pytest.approx(0.2)
    assert "0.20 above bicubic (28.00)" in first.summary
    noise = next(each for each in first.reasons if each.rule == "robustness noise_15")
    assert noise.passed is None
    assert noise.text == "robustness noise_15 (2 pictures) is 26.00 dB, 2.00 below bicubic; told, not judged"
    poor = made(28.2, slices={"dark": group(27.5)})
    assert "slice dark (2 pictures) is 27.50 dB, 0.50 below bicubic" in decide(poor, None, GateRules()).summary


def test_the_very_checkpoint_that_serves_is_kept() -> None:
    again = made(31.0, version="9", weights="b", evaluated_on="4" * 64)
    decision = decide(again, OLD, GateRules())
    assert decision.answer == "keep"
    assert decision.summary == "Not promoted, because version 3, which serves, is this very checkpoint."


def test_what_cannot_be_compared_is_an_error() -> None:
    with pytest.raises(AssessmentError, match="expected the same pictures used alike"):
        decide(made(32.0, evaluated_on="4" * 64), OLD, GateRules())
    with pytest.raises(AssessmentError, match=r"slice: got dark against dark, flat, expected the same"):
        decide(made(32.0, slices={"dark": group(30.0)}), OLD, GateRules())
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        GateRules(margin=-1)
