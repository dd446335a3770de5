"""The arrows that NetworkPolicies open are those of docs/operations.md, from both ends."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.charts.rendering import ROOT, Object, Rendering, effective
from tests.charts.test_references import matches

PARTS = {"web": "page", "serving": "models", "storage": "storage", "features": "features", "upload": "upload"}
PARTS |= {"make-bucket": "make-bucket", "test": "test"}


class Arrow(NamedTuple):
    """``ports`` is empty for any."""

    source: str
    target: str
    ports: frozenset[int]


def documented(values: Mapping[str, Any]) -> set[Arrow]:
    """The table's rows that hold for these values."""
    storage, features = values["storage"], values["features"]
    true = {
        "always": True,
        "modelsFrom": bool(values["networkPolicy"]["modelsFrom"]),
        "pipelines": values["pipelines"]["enabled"],
        "gateway": values["inference"]["mode"] == "knative" or bool(values["web"]["inferenceUrl"]),
        "knative": values["inference"]["mode"] == "knative",
        "bundled": storage["enabled"] and storage["bundled"]["enabled"],
        "external": storage["enabled"] and not storage["bundled"]["enabled"],
        "features": features["enabled"],
        "feast": features["enabled"] and features["kind"] == "feast",
    }
    _, _, rest = (ROOT / "docs" / "operations.md").read_text().partition("<!-- arrows -->\n")
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", rest.partition("\n\n")[0], re.MULTILINE)[1:]
    assert len(rows) > 20
    own = frozenset(map(int, values["networkPolicy"]["storage"]["ports"]))
    found = set()
    for source, target, ports, when in rows:
        if all(true[condition] for condition in when.split(", ")):
            numbers = frozenset() if ports == "any" else frozenset(map(int, ports.split(", ")))
            found.add(Arrow(source, target, own if target == "S3" else numbers))
    return found


def peer_name(peer: Object, values: Mapping[str, Any]) -> str:
    """Who a peer is."""
    network, runner = values["networkPolicy"], values["pipelines"]["runner"]
    if peer in network["modelsFrom"]:
        return "others"
    if peer in network["pageFrom"]:
        return "anybody"
    if "ipBlock" in peer:
        return "DNS" if peer["ipBlock"]["cidr"] == "169.254.0.0/16" else "S3"
    if namespace := peer.get("namespaceSelector"):
        known = {"Prometheus": network["monitoringNamespace"], "Kubeflow": network["pipelinesNamespace"]}
        for name, labels in known.items():
            if namespace == {"matchLabels": labels}:
                return name
        (condition,) = namespace["matchExpressions"]
        assert condition["values"] == network["gatewayNamespaces"]
        return "gateway"
    pods = peer["podSelector"]
    if conditions := pods.get("matchExpressions"):
        assert {"key": conditions[0]["key"], "operator": "Exists"} == conditions[0]
        assert conditions[0]["key"] in runner["trainingLabels"]
        return "trainings"
    labels = pods["matchLabels"]
    if labels == runner["stepLabels"]:
        return "steps"
    return "Feast" if "feast.dev/name" in labels else PARTS[labels["app.kubernetes.io/component"]]


def arrows(policy: Object, values: Mapping[str, Any]) -> Iterator[tuple[str, Arrow]]:
    """("in" or "out", arrow) of one policy."""
    spec = policy["spec"]
    here = PARTS[spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"]]
    for way, rules, key in (("in", spec.get("ingress", ()), "from"), ("out", spec.get("egress", ()), "to")):
        for rule in rules:
            ports = frozenset(port["port"] for port in rule.get("ports", ()))
            if key not in rule:
                assert way == "in", "everywhere is no arrow"
                yield way, Arrow("anybody", here, ports)
                continue
            if {"namespaceSelector": {}} in rule[key]:  # the whole cluster, for DNS alone
                assert ports == {53}
                yield way, Arrow(here, "DNS", ports)
                continue
            for peer in rule[key]:
                name = peer_name(peer, values)
                yield way, Arrow(name, here, ports) if way == "in" else Arrow(here, name, ports)


def test_the_arrows_are_those_of_the_table(rendering: Rendering) -> None:
    values = effective(rendering.values)
    policies = [each for each in rendering.all("NetworkPolicy") if not each["metadata"]["name"].endswith("-nothing")]
    ours = {PARTS[each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]] for each in policies}
    found: dict[str, set[Arrow]] = {"in": set(), "out": set()}
    for policy in policies:
        for way, arrow in arrows(policy, values):
            found[way].add(arrow)
    expected = documented(values)
    assert found["in"] | found["out"] == expected
    for arrow in expected:
        if arrow.source in ours:
            assert arrow in found["out"], f"{arrow} is not opened where it begins"
        if arrow.target in ours and not (arrow.source == "test" and arrow.target == "page"):
            open_to = {each.source for each in found["in"] if each.target == arrow.target and each.ports == arrow.ports}
            assert arrow.source in open_to, f"{arrow} is not opened where it ends"


def test_every_pod_is_denied_by_default(rendering: Rendering) -> None:
    (nothing,) = [each for each in rendering.all("NetworkPolicy") if each["metadata"]["name"] == "loupe-nothing"]
    assert set(nothing["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & nothing["spec"].keys()
    for owner, pod in rendering.pods():
        assert matches(nothing["spec"]["podSelector"], pod.labels), owner["metadata"]["name"]
    for policy in rendering.all("NetworkPolicy"):
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_models_that_the_pipeline_publishes_are_under_the_same_policy(renderings: Mapping[str, Rendering]) -> None:
    from serving.inference_service import Service, inference_service

    published = inference_service(Service(name="x", model="x", storage_uri="s3://x"))["metadata"]["labels"]
    policy = renderings["full"].one("NetworkPolicy", "loupe-serving")
    assert matches(policy["spec"]["podSelector"], published)
    metrics = renderings["full"].one("Service", "loupe-serving-metrics")
    assert metrics["spec"]["selector"].items() <= published.items()
