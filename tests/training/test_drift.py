"""Whether pictures drifted: what is compared with what, when it is said, and how it is shown."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from loupe.distribution import EDGES, Distribution
from loupe.errors import InvalidOption, ModelNotFound
from loupe.quality import Quality
from loupe.records import Lineage
from loupe.storage import FileStorage
from loupe.versions import promote, register
from training.drift import Comparison, DriftError, Rules, compare, read_reference
from training.drift_page import render_html, render_markdown, summary

CENTRE = {"light_mean": 110.0, "light_spread": 53, "noise_sigma": 0.7, "sharpness": 1000, "blockiness": 1.0}
CENTRE |= {"colourfulness": 45, "entropy": 7.2, "edge_density": 0.15}


def spread(count: int, seed: int, **factors: float) -> Distribution:
    """Pictures about CENTRE, each feature within a third of it, times its factor."""
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        values = {name: float(c * factors.get(name, 1) * generator.uniform(2 / 3, 4 / 3)) for name, c in CENTRE.items()}
        made.append(Quality(**{**values, "entropy": min(8.0, values["entropy"])}, width=100, height=80))
    return Distribution.of(made)


def test_the_same_kind_of_pictures_is_steady_even_where_the_index_is_large() -> None:
    for seed in range(10):
        found = compare(spread(60, seed), spread(110, 100 + seed), Rules())
        assert found.verdict == "steady", found.features[0]
        assert found.features[0].reading == "steady"
    assert max(compare(spread(60, s), spread(110, 100 + s), Rules()).features[0].psi for s in range(10)) > 0.25


def test_dark_pictures_are_drift_in_light_alone() -> None:
    found = compare(spread(400, 0), spread(200, 1, light_mean=0.4), Rules())
    assert found.verdict == "drifted"
    assert found.drifted == ("light_mean",)
    (light,) = [feature for feature in found.features if feature.name == "light_mean"]
    assert light.psi > 1
    assert light.statistic > 0.5
    assert light.p_value < 1e-6
    assert "Drifted in light_mean: 200 pictures observed against 400 of the training." in summary(found)


def test_a_sure_but_small_change_is_only_looked_at() -> None:
    found = compare(spread(20_000, 0), spread(20_000, 1, sharpness=1.08), Rules())
    (sharp,) = [feature for feature in found.features if feature.name == "sharpness"]
    assert sharp.p_value < 1e-4
    assert 0.0 < sharp.psi < 0.25
    assert found.verdict == "steady"
    assert compare(spread(20_000, 0), spread(20_000, 1, sharpness=1.08), Rules(psi=sharp.psi)).verdict == "drifted"


def test_too_few_pictures_say_nothing() -> None:
    found = compare(spread(400, 0), spread(99, 1, light_mean=0.4), Rules())
    assert (found.verdict, found.features) == ("too few pictures", ())
    assert "99 were observed, expected 100 or more" in summary(found)
    assert compare(spread(400, 0), spread(99, 1, light_mean=0.4), Rules(min_pictures=99)).verdict == "drifted"
    with pytest.raises(InvalidOption, match="reference: got a distribution of no pictures"):
        compare(Distribution.of([]), spread(100, 0), Rules())


def test_the_page_stands_alone_and_shows_every_feature() -> None:
    found = compare(spread(400, 0), spread(200, 1, light_mean=0.4), Rules())
    page = render_html(found, title="<b>edsr</b>")
    assert "<b>edsr" not in page
    assert "://" not in page
    assert page.count("<svg") == len(EDGES)
    figures = [part.split("</svg>")[0] + "</svg>" for part in page.split("<figcaption>")[1:]]
    svg = ET.fromstring(figures[0][figures[0].index("<svg") :])
    assert len(svg.findall("rect")) == 2 * (len(EDGES["light_mean"]) + 1)
    heights = [float(bar.get("height", "-1")) for bar in svg.findall("rect")]
    assert min(heights) == 0
    assert max(heights) == pytest.approx(220 - 34 - 18)
    titles = [bar.findtext("title", "") for bar in svg.findall("rect")]
    shares = [float(title.split(": ")[1].rstrip("%")) for title in titles if title.startswith("observed")]
    assert sum(shares) == pytest.approx(100, abs=1)
    told = render_markdown(found, title="edsr_x4 version 3")
    assert [line for line in told.splitlines() if line.startswith("| light_mean | drifted | ")]
    assert told.count("\n| ") == len(EDGES) + 1


def test_pages_of_too_few_pictures() -> None:
    found = Comparison("too few pictures", Rules(), 400, 0, ())
    for text in (render_html(found, title="m"), render_markdown(found, title="m")):
        assert "nothing scrapes the servers" in text
        assert "<svg" not in text


def registered(folder: Path, checkpoint: Path, features: dict[str, object]) -> FileStorage:
    storage = FileStorage(folder)
    register(storage, checkpoint, card="", metrics={}, features=features, lineage=Lineage())
    return storage


def test_the_reference_is_that_of_the_version_that_serves(tmp_path: Path, tiny_models: Path) -> None:
    made = spread(50, 0)
    storage = registered(tmp_path, tiny_models / "tiny_x2.safetensors", made.model_dump(mode="json"))
    with pytest.raises(ModelNotFound, match="no version of tiny_x2 serves; promote one"):
        read_reference(storage, "tiny_x2")
    promote(storage, "tiny_x2", "1")
    assert read_reference(storage, "tiny_x2") == ("1", made)
    (tmp_path / "models" / "tiny_x2" / "1" / "features.json").unlink()
    with pytest.raises(DriftError, match=r"features.json: is not in storage, expected a reference distribution"):
        read_reference(storage, "tiny_x2")


def test_features_that_are_no_distribution_are_refused(tmp_path: Path, tiny_models: Path) -> None:
    storage = registered(tmp_path, tiny_models / "tiny_x2.safetensors", {"light_mean": {"mean": 3}})
    promote(storage, "tiny_x2", "1")
    with pytest.raises(DriftError, match="is no reference distribution of this release"):
        read_reference(storage, "tiny_x2")
