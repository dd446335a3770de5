"""The chart as Helm renders it, and what tests ask of the objects.

rendering = render({"storage": {...}})
for owner, pod in rendering.pods(): print(owner["kind"], pod.spec["containers"])
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from helm_python.chart import Chart

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "loupe"
CI = sorted((CHART / "ci").glob("*.yaml"))
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# KServe keeps a few things of ours in a pod of its making
KSERVE_CONTAINERS = ("predictor", "transformer")

Object = dict[str, Any]


class Pod(NamedTuple):
    """A pod's specification and labels, whoever makes it."""

    spec: Object
    labels: Mapping[str, str]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


@dataclass(frozen=True)
class Rendering:
    """The objects of one set of values."""

    values: Mapping[str, Any]
    manifests: Mapping[str, str] = field(repr=False)

    @cached_property
    def objects(self) -> list[Object]:
        texts = (text for name, text in self.manifests.items() if not name.endswith(".txt"))
        return [found for text in texts for found in yaml.load_all(text, Loader=LOADER) if found]

    @property
    def notes(self) -> str:
        return next(text for name, text in self.manifests.items() if name.endswith("NOTES.txt"))

    def all(self, kind: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] == kind]

    def one(self, kind: str, name: str) -> Object:
        (found,) = [each for each in self.all(kind) if each["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[Object, Pod]]:
        """Of everything that makes pods; a predictor's is its ServingRuntime's container with its own on top."""
        for each in self.objects:
            spec, labels = each.get("spec", {}), each["metadata"]["labels"]
            if each["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield each, Pod(spec["template"]["spec"], spec["template"]["metadata"]["labels"])
            elif each["kind"] == "Pod":
                yield each, Pod(spec, labels)
            elif each["kind"] == "InferenceService":
                yield each, self._predictor(spec["predictor"], each)
                for canary in spec.get("canary", ()):
                    yield each, self._predictor(canary["predictor"], each)
                if "transformer" in spec:
                    yield each, Pod(spec["transformer"], kserve_labels(each, "transformer"))

    def _predictor(self, predictor: Object, service: Object) -> Pod:
        model = predictor["model"]
        runtime = self.one("ServingRuntime", model["runtime"])["spec"]
        (container,) = runtime["containers"]
        merged = {
            **container,
            "env": [*container["env"], *model["env"]],
            "resources": model.get("resources", container.get("resources", {})),
        }
        more = {key: value for key, value in predictor.items() if key != "model"}
        return Pod({**runtime, **more, "containers": [merged]}, kserve_labels(service, "predictor"))


def kserve_labels(service: Object, component: str) -> dict[str, str]:
    """What KServe's controller puts on pods (pkg/controller/v1beta1/inferenceservice/components)."""
    name = service["metadata"]["name"]
    return {**service["metadata"]["labels"], "serving.kserve.io/inferenceservice": name, "component": component}


def render(values: Mapping[str, Any] | None = None, *, name: str = "loupe", namespace: str = "ml") -> Rendering:
    """As `helm template` does. Raises HelmError."""
    with Chart.load(CHART) as chart:
        return Rendering(values or {}, chart.render(values=dict(values or {}), name=name, namespace=namespace))


def read(path: Path) -> dict[str, Any]:
    """A file of values."""
    return yaml.load(path.read_text(), Loader=LOADER) or {}


def effective(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the chart's own below them."""
    with Chart.load(CHART) as chart:
        merged: dict[str, Any] = json.loads(json.dumps(chart.merge_values(dict(values))))
    return merged
