"""Every ci file is rendered once."""

from collections.abc import Mapping

import pytest

from tests.charts.rendering import CI, Rendering, read, render

NAMES = [path.stem for path in CI]


@pytest.fixture(scope="session")
def renderings() -> Mapping[str, Rendering]:
    return {path.stem: render(read(path)) for path in CI}


@pytest.fixture(params=NAMES)
def rendering(request: pytest.FixtureRequest, renderings: Mapping[str, Rendering]) -> Rendering:
    return renderings[request.param]
