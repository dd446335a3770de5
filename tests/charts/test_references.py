"""Objects fit each other: selectors, ports, references; and every container is safe and bounded."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.charts.rendering import Object, Pod, Rendering, effective, render

# What the chart uses and does not make.
CLAIMS_OF_OTHERS = {"full": {"loupe-data"}}
SECRETS_OF_OTHERS = {
    "full": {"photos-tls"},
    "knative": {"photos-s3"},
    "existing-s3": {"photos-s3", "registry-key"},
}


def matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects."""
    for condition in selector.get("matchExpressions", ()):
        there = labels.get(condition["key"])
        chosen = {"In": there in condition.get("values", ()), "Exists": there is not None}
        if not chosen[condition["operator"]]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def selectors(rendering: Rendering) -> Iterator[tuple[str, Object]]:
    """What must select at least one pod."""
    for each in rendering.objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Service":
            yield name, {"matchLabels": each["spec"]["selector"]}
        elif each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            yield name, each["spec"]["selector"]
        elif each["kind"] == "NetworkPolicy":
            yield name, each["spec"]["podSelector"]


def test_selectors_select(rendering: Rendering) -> None:
    pods = list(rendering.pods())
    for name, selector in selectors(rendering):
        assert any(matches(selector, pod.labels) for _, pod in pods), name
    for owner, pod in pods:
        if owner["kind"] in ("Deployment", "StatefulSet"):
            chosen = [other for other, each in pods if matches(owner["spec"]["selector"], each.labels)]
            assert chosen == [owner], f"{owner['metadata']['name']} selects pods of others"
        for spread in pod.spec.get("topologySpreadConstraints", ()):
            assert matches(spread["labelSelector"], pod.labels)


def test_service_ports_are_open(rendering: Rendering) -> None:
    for service in rendering.all("Service"):
        selected = [
            pod for _, pod in rendering.pods() if matches({"matchLabels": service["spec"]["selector"]}, pod.labels)
        ]
        known: set[Any] = set()
        for pod in selected:
            for port in (port for container in pod.containers for port in container.get("ports", ())):
                known |= {port["containerPort"], port.get("name")}
        if service["metadata"]["name"].endswith("serving-metrics"):
            known.add(8083)  # TorchServe's own, which Knative would not let the container declare besides 8085
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in known, (service["metadata"]["name"], port)
    for monitor in rendering.all("ServiceMonitor"):
        (service,) = [
            each
            for each in rendering.all("Service")
            if matches(monitor["spec"]["selector"], each["metadata"]["labels"])
        ]
        names = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= names
    for ingress in rendering.all("Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend["port"]["name"] in {
            port["name"] for port in rendering.one("Service", backend["name"])["spec"]["ports"]
        }
    for route in rendering.all("HTTPRoute"):
        (backend,) = route["spec"]["rules"][0]["backendRefs"]
        assert backend["port"] in {port["port"] for port in rendering.one("Service", backend["name"])["spec"]["ports"]}


def references(node: Any) -> Iterator[tuple[str, str, str]]:
    """(kind, name, key) that a pod or a ServiceAccount refers to; key is empty for the whole."""
    if isinstance(node, list):
        for each in node:
            yield from references(each)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "secretKeyRef":
            yield "Secret", value["name"], value["key"]
        elif key == "configMapKeyRef":
            yield "ConfigMap", value["name"], value["key"]
        elif key in ("configMapRef", "configMap") and isinstance(value, dict):
            yield "ConfigMap", value["name"], ""
        elif key == "secret" and isinstance(value, dict):
            for item in value.get("items", [{"key": ""}]):
                yield "Secret", value["secretName"], item["key"]
        elif key == "secretName" and isinstance(value, str):
            yield "Secret", value, ""
        elif key in ("imagePullSecrets", "secrets"):
            yield from (("Secret", each["name"], "") for each in value)
        elif key == "serviceAccountName":
            yield "ServiceAccount", value, ""
        elif key == "persistentVolumeClaim":
            yield "PersistentVolumeClaim", value["claimName"], ""
        elif key == "secretRef":
            yield "Secret", value["name"], ""
        else:
            yield from references(value)


@pytest.mark.parametrize("name", ["minimal", "full", "knative", "gpu", "canary", "existing-s3", "no-pipelines"])
def test_everything_that_is_referred_to_is_there(name: str, renderings: Mapping[str, Rendering]) -> None:
    rendering = renderings[name]
    there = {(each["kind"], each["metadata"]["name"]): each for each in rendering.objects}
    others = SECRETS_OF_OTHERS.get(name, set())
    seen = set()
    for each in rendering.objects:
        for kind, referred, key in references(each):
            if kind == "Secret" and referred in others:
                seen.add(referred)
                continue
            found = there.get((kind, referred))
            assert found, f"{each['kind']} {each['metadata']['name']} refers to {kind} {referred}"
            assert not key or key in {**found.get("data", {}), **found.get("stringData", {})}, (referred, key)
    assert seen == others
    for each in rendering.all("HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in there
    for each in rendering.all("RoleBinding"):
        assert (each["roleRef"]["kind"], each["roleRef"]["name"]) in there
        assert each["subjects"][0]["name"] == effective(rendering.values)["pipelines"]["runner"]["serviceAccount"]
    for each in rendering.all("InferenceService"):
        assert ("ServingRuntime", each["spec"]["predictor"]["model"]["runtime"]) in there
    for _, pod in rendering.pods():
        for option in (option for container in pod.containers for option in container.get("args", ())):
            for flag, kind in (
                ("--secret=", "Secret"),
                ("--config-map=", "ConfigMap"),
                ("--features-secret=", "Secret"),
            ):
                if str(option).startswith(flag):
                    assert (kind, option.removeprefix(flag)) in there
            if str(option).startswith("--volume-claim="):
                assert option.removeprefix("--volume-claim=") in CLAIMS_OF_OTHERS[name]


def test_every_container_keeps_to_the_restricted_profile(rendering: Rendering) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    pods = list(rendering.pods())
    assert len(pods) >= 3
    for owner, pod in pods:
        name = (owner["kind"], owner["metadata"]["name"])
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys(), name
        for volume in pod.spec.get("volumes", ()):
            assert volume.keys() & {"emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"}, name
        for container in pod.containers:
            security = {**pod.spec.get("securityContext", {}), **container["securityContext"]}
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["runAsNonRoot"] is True, name
            assert security.get("runAsUser", 1) != 0, name
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
            assert security["readOnlyRootFilesystem"] is True, name
            assert not security.get("privileged"), name
            assert not any("hostPort" in port for port in container.get("ports", ())), name


def test_no_pod_has_a_token_that_it_does_not_need(rendering: Rendering) -> None:
    for owner, pod in rendering.pods():
        assert pod.spec["automountServiceAccountToken"] is False, owner["metadata"]["name"]
        assert pod.spec["enableServiceLinks"] is False
    for account in rendering.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_every_container_says_what_it_needs(rendering: Rendering) -> None:
    for owner, pod in rendering.pods():
        for container in pod.containers:
            resources, name = container["resources"], (owner["metadata"]["name"], container["name"])
            assert {"cpu", "memory"} <= resources["requests"].keys(), name
            assert "memory" in resources["limits"], name
            assert "cpu" not in resources["limits"], name
            assert ":latest" not in container["image"], name
            assert ":" in container["image"].rpartition("/")[2], name
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            volumes = {volume["name"] for volume in pod.spec.get("volumes", ())}
            volumes |= {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", ())}
            assert mounts <= volumes, name


def test_pods_that_answer_leave_without_dropping_a_request(rendering: Rendering) -> None:
    knative = effective(rendering.values)["inference"]["mode"] == "knative"
    for owner, pod in rendering.pods():
        if owner["kind"] not in ("Deployment", "InferenceService"):
            continue
        (container,) = pod.containers
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
        if owner["kind"] == "InferenceService" and knative:  # Knative refuses both, and drains by itself
            assert "lifecycle" not in container
            assert "terminationGracePeriodSeconds" not in pod.spec
            continue
        drain = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        grace = int(next(each["value"] for each in container["env"] if each["name"] == "LOUPE_GRACE_SECONDS"))
        assert pod.spec["terminationGracePeriodSeconds"] > drain + grace
        strategy = owner["spec"]["strategy"] if owner["kind"] == "Deployment" else pod.spec["deploymentStrategy"]
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_no_secret_is_in_values_and_each_rendering_has_its_own() -> None:
    values = {"storage": {"enabled": True, "bundled": {"enabled": True}}}

    def secret() -> Object:
        return dict(render(values).one("Secret", "loupe-s3"))

    first, second = secret(), secret()
    assert first["stringData"]["AWS_SECRET_ACCESS_KEY"] != second["stringData"]["AWS_SECRET_ACCESS_KEY"]
    assert len(first["stringData"]["AWS_SECRET_ACCESS_KEY"]) == 40
    assert first["stringData"]["AWS_SECRET_ACCESS_KEY"] in first["stringData"]["s3.json"]
    assert first["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    annotations = first["metadata"]["annotations"]
    assert annotations["serving.kserve.io/s3-endpoint"] == "loupe-storage.ml.svc.cluster.local:8333"
    assert annotations["serving.kserve.io/s3-usehttps"] == "0"


def test_a_pod_tells_apart() -> None:
    """The checks above would find what they look for."""
    bad = Pod({"containers": [{"securityContext": {}}]}, {})
    with pytest.raises(KeyError):
        _ = bad.containers[0]["securityContext"]["allowPrivilegeEscalation"]
    assert not matches({"matchLabels": {"a": "b"}}, {"a": "c"})
    assert not matches({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"b": "c"})
    assert list(references({"env": [{"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]})) == [
        ("Secret", "s", "k")
    ]
