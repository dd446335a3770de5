"""A Kubeflow Pipelines server for the tests of what is sent to one."""

from collections.abc import Iterator

import pytest

from tests.pipelines.kubeflow import Server, serving


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT", "LOUPE_KFP_TOKEN", "LOUPE_WORKER_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with serving() as server:
        yield server
