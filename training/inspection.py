"""Which pictures of a manifest are fit to train on, and what is wrong with the others.

    report = inspect_manifest(manifest)
    require_enough(report)                       # InspectionFailed names the files
    manifest = manifest.only(report.kept)

Pictures of the split ``eval`` stay as they are, whatever they look like, unless they cannot be read: figures on them
are compared with other people's. A training picture that is one of them, or looks like one, is dropped.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from rich.progress import track

from loupe.errors import LoupeError
from loupe.files import read_picture
from loupe.images import decode
from loupe.quality import Quality, measure
from loupe.settings import Limits
from training.manifest import Entry, Manifest, ManifestError
from training.perceptual import MAX_DISTANCE, Fingerprint, distance, find_alike, fingerprint

Reason = Literal["unreadable", "too small", "flat", "wrong colour", "duplicate", "near duplicate", "leak"]

GRAY = 2.0  # colourfulness (Hasler and Suesstrunk) below which nobody sees a colour; 15 is "slightly colourful"
NAMED = 10  # files that an error names


class Rules(BaseModel):
    """What a picture must be. The report carries them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_side: int = Field(default=96, ge=1, description="pixels of the shorter side; packs leave smaller ones out")
    min_spread: float = Field(default=2.0, ge=0, description="levels of luma; below, a picture is flat")
    max_distance: int = Field(default=MAX_DISTANCE, ge=0, le=64, description="bits of the perceptual hash")
    drop_wrong_colour: bool = Field(
        default=False, description="drop gray pictures among coloured ones, and CMYK, instead of only reporting them"
    )
    max_dropped: float = Field(default=0.2, ge=0, le=1, description="share of pictures above which inspection fails")


class Finding(BaseModel):
    """What is wrong with one picture, and which other pictures it concerns (their names)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entry: Entry
    reason: Reason
    detail: str
    related: tuple[str, ...] = ()


class Report(BaseModel):
    """``noted`` pictures are among those kept; every entry is either kept or dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(description="of the manifest that was inspected")
    rules: Rules
    kept: tuple[Entry, ...]
    dropped: tuple[Finding, ...]
    noted: tuple[Finding, ...]

    @property
    def share_dropped(self) -> float:
        """0..1 of those that could be trained or validated on, and of what else was dropped."""
        return len(self.dropped) / max(1, self.judged)

    @property
    def judged(self) -> int:
        """How many pictures that is a share of."""
        return len(self.dropped) + sum(entry.split != "eval" for entry in self.kept)

    @property
    def counts(self) -> dict[Reason, int]:
        """Dropped pictures by reason, the most frequent first."""
        return dict(Counter(finding.reason for finding in self.dropped).most_common())


class InspectionFailed(LoupeError):
    """Too many pictures are unfit, or none is left; ``report`` says which."""

    exit_code = 23

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


class _Look(NamedTuple):
    entry: Entry
    quality: Quality
    print: Fingerprint
    channels: int
    notes: tuple[str, ...]


def inspect_manifest(
    manifest: Manifest, rules: Rules | None = None, *, limits: Limits | None = None, quiet: bool = True
) -> Report:
    """Look at every picture once. Raises ManifestError if a file is not the one that the manifest names."""
    rules, limits = rules or Rules(), limits or Limits()
    findings: list[Finding] = []
    looks: list[_Look] = []
    with ThreadPoolExecutor() as pool:
        seen = pool.map(lambda entry: _look(manifest, entry, limits), manifest.entries)
        for result in track(seen, "inspecting pictures", total=len(manifest.entries), disable=quiet):
            if isinstance(result, Finding):
                findings.append(result)
            elif fault := _fault(result, rules):
                findings.append(fault)
            else:
                looks.append(result)
    findings += _find_duplicates(looks, rules)
    gray = _find_gray(looks)
    findings += gray if rules.drop_wrong_colour else []
    dropped: dict[str, Finding] = {}
    for finding in findings:  # the first reason counts
        dropped.setdefault(finding.entry.name, finding)
    return Report(
        version=manifest.version,
        rules=rules,
        kept=tuple(entry for entry in manifest.entries if entry.name not in dropped),
        dropped=tuple(dropped[name] for name in sorted(dropped)),
        noted=tuple(finding for finding in gray if finding.entry.name not in dropped),
    )


def require_enough(report: Report) -> None:
    """InspectionFailed when the share of dropped pictures is above the rules' or no training picture is left."""
    named = [f"{f.entry.name}: {f.reason} ({f.detail})" for f in report.dropped[:NAMED]]
    more = f"\n  and {len(report.dropped) - NAMED} more" if len(report.dropped) > NAMED else ""
    files = "\n  " + "\n  ".join(named) + more if named else ""
    if not any(entry.split == "train" for entry in report.kept):
        raise InspectionFailed(f"No picture is left to train on.{files}", report)
    if report.share_dropped > report.rules.max_dropped:
        got = f"{len(report.dropped)} of {report.judged} pictures are unfit ({report.share_dropped:.0%})"
        expected = f"expected at most {report.rules.max_dropped:.0%}"
        raise InspectionFailed(f"{got}, {expected}. Repair or remove them, or raise max_dropped.{files}", report)


def _look(manifest: Manifest, entry: Entry, limits: Limits) -> _Look | Finding:
    path = manifest.locate(entry)
    try:
        data = read_picture(path, limits)
        if (got := hashlib.sha256(data).hexdigest()) != entry.sha256:
            raise ManifestError(
                f"{path}: got SHA-256 {got[:12]}, expected {entry.sha256[:12]}: it has changed; make the manifest again"
            )
        picture = decode(data, limits)
    except ManifestError:
        raise
    except LoupeError as error:
        return Finding(entry=entry, reason="unreadable", detail=str(error).removeprefix(f"{path}: "))
    return _Look(entry, measure(picture), fingerprint(picture), picture.color.shape[2], picture.notes)


def _fault(look: _Look, rules: Rules) -> Finding | None:
    """What is wrong with a picture by itself."""
    quality, entry = look.quality, look.entry
    if entry.split == "eval":
        return None
    if min(quality.width, quality.height) < rules.min_side:
        detail = f"{quality.width}x{quality.height}, expected {rules.min_side} pixels or more a side"
        return Finding(entry=entry, reason="too small", detail=detail)
    if quality.light_spread < rules.min_spread:
        detail = f"luma spreads by {quality.light_spread:.2f} levels, expected {rules.min_spread:g} or more"
        return Finding(entry=entry, reason="flat", detail=detail)
    return None


def _find_gray(looks: Sequence[_Look]) -> list[Finding]:
    """Gray among coloured ones, and pictures converted from CMYK. A set that is mostly gray is as it should be."""
    looks = [look for look in looks if look.entry.split != "eval"]
    gray = [look for look in looks if look.channels == 1 or look.quality.colourfulness < GRAY]
    findings = []
    if 2 * len(gray) < len(looks):
        for look in gray:
            colours = f"colourfulness {look.quality.colourfulness:.1f}"
            detail = ("one channel" if look.channels == 1 else f"three channels, {colours}") + ", in a set of colours"
            findings.append(Finding(entry=look.entry, reason="wrong colour", detail=detail))
    for look in looks:
        if cmyk := next((note for note in look.notes if note.startswith("CMYK")), None):
            findings.append(Finding(entry=look.entry, reason="wrong colour", detail=cmyk))
    return findings


def _find_duplicates(looks: Sequence[_Look], rules: Rules) -> list[Finding]:
    """All but one of every group that is the same: kept is what is evaluated on, then validated on, then the largest.

    A picture that only resembles a dropped one is compared with the kept ones alone: resemblance is not handed on.
    """
    alike: dict[int, set[int]] = defaultdict(set)
    for i, j in _same_bytes(looks) | set(find_alike([look.print for look in looks], rules.max_distance)):
        alike[i].add(j)
        alike[j].add(i)
    findings: list[Finding] = []
    dropped: set[int] = set()
    for index in sorted(alike, key=lambda index: _rank(looks[index])):
        if index in dropped:
            continue
        for other in sorted(alike[index] - dropped, key=lambda other: looks[other].entry.name):
            # one that ranks higher was here before, and would have dropped this one
            if looks[other].entry.split != "eval":
                dropped.add(other)
                findings.append(_duplicate(looks[other], looks[index]))
    return findings


def _same_bytes(looks: Sequence[_Look]) -> set[tuple[int, int]]:
    """Pairs of each first file of some SHA-256 and the others."""
    first: dict[str, int] = {}
    pairs = set()
    for index in sorted(range(len(looks)), key=lambda index: _rank(looks[index])):
        kept = first.setdefault(looks[index].entry.sha256, index)
        if kept != index:
            pairs.add((min(kept, index), max(kept, index)))
    return pairs


def _rank(look: _Look) -> tuple[int, int, int, str]:
    """Lower is kept."""
    entry, quality = look.entry, look.quality
    return {"eval": 0, "valid": 1, "train": 2}[entry.split], -quality.width * quality.height, -entry.size, entry.name


def _duplicate(look: _Look, kept: _Look) -> Finding:
    same = look.entry.sha256 == kept.entry.sha256
    how = "the same bytes as" if same else f"{distance(look.print, kept.print)} of 64 bits from"
    reason: Reason = "duplicate" if same else "near duplicate"
    if look.entry.split != kept.entry.split:
        reason = "leak"
        how = f"{how} a picture of {kept.entry.split},"
    return Finding(entry=look.entry, reason=reason, detail=f"{how} {kept.entry.name}", related=(kept.entry.name,))
