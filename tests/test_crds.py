"""The strict reading of definitions itself, on a definition that is small enough to see through."""

from pathlib import Path
from typing import Any

import pytest

from tests.crds import find_crds, problems

DEFINITION = """
spec:
  group: example.org
  names:
    kind: Cake
  versions:
  - name: v0
    served: false
    schema:
      openAPIV3Schema: {type: object}
  - name: v1
    served: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [size]
            properties:
              size: {x-kubernetes-int-or-string: true, pattern: '^[0-9]+(cm)?$'}
              filling: {type: string, enum: [apple, plum]}
              layers: {type: integer, format: int32, minimum: 1, maximum: 9}
              notes: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {baker: {type: string}}}
              names: {type: object, additionalProperties: {type: string}}
              pieces:
                type: array
                minItems: 1
                x-kubernetes-list-map-keys: [name, side]
                items:
                  type: object
                  properties: {name: {type: string}, side: {type: string, default: left}}
              maybe: {type: string, nullable: true}
"""
GOOD: dict[str, Any] = {
    "size": "20cm",
    "filling": "plum",
    "layers": 3,
    "notes": {"baker": "A", "anything": {"deep": [1]}},
    "names": {"x": "y"},
    "pieces": [{"name": "a"}, {"name": "a", "side": "right"}],
    "maybe": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cakes-v1").mkdir()
    (tmp_path / "cakes-v1" / "cakes.yaml").write_text(DEFINITION)
    return tmp_path


def check(folder: Path, spec: dict[str, Any], **more: Any) -> list[str]:
    (crd,) = find_crds(folder, "Cake")
    assert (crd.release, crd.api_version) == ("cakes-v1", "example.org/v1")
    return problems(
        {"apiVersion": "example.org/v1", "kind": "Cake", "metadata": {"name": "torte"}, "spec": spec, **more}, crd
    )


def test_what_fits_has_no_problems(folder: Path) -> None:
    assert check(folder, GOOD) == []
    assert check(folder, {"size": 20}) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": 2.5}, ".spec.size: 2.5 is neither an integer nor a string"),
        ({"size": True}, ".spec.size: True is neither an integer nor a string"),
        ({"size": "20 cm"}, ".spec.size: '20 cm' does not match"),
        ({"filling": "pear"}, ".spec.filling: 'pear' is none of"),
        ({"filling": None}, ".spec.filling: null"),
        ({"layers": 0}, ".spec.layers: 0 is out of bounds"),
        ({"layers": 3.0}, ".spec.layers: 3.0 is no integer"),
        ({"layers": True}, ".spec.layers: True is no integer"),
        ({"notes": {"baker": 1}}, ".spec.notes.baker: 1 is no string"),
        ({"names": {"x": 1}}, ".spec.names.x: 1 is no string"),
        ({"names": {1: "x"}}, ".spec.names: the key 1 is no string"),
        ({"pieces": []}, ".spec.pieces: fewer than 1 items"),
        ({"pieces": [{"name": "a"}, {"name": "a", "side": "left"}]}, ".spec.pieces[1]: ['a', 'left'] is there twice"),
        ({"pieces": {"name": "a"}}, "is no array"),
        ({"icing": True}, ".spec: unknown field icing"),
    ],
)
def test_what_does_not_fit_is_told(folder: Path, change: dict[str, Any], said: str) -> None:
    (problem,) = check(folder, {**GOOD, **change})
    assert said in problem


def test_around_the_spec(folder: Path) -> None:
    assert check(folder, {}) == [".spec: no size"]
    assert check(folder, GOOD, status={}) == [": unknown field status"]
    assert "expected example.org/v1 Cake" in check(folder, GOOD, kind="Pie")[0]
    assert check(folder, GOOD, metadata={}) == [".metadata: no name"]
    assert "malformed" in check(folder, GOOD, metadata={"name": "a", "labels": {"a b": "c"}})[0]
