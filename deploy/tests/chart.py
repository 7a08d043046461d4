"""The chart and the plain manifests: rendered, validated, and held against what every pod of the centre must have.

    chart.py [--render PROGRAM]

PROGRAM is deploy/tests/render, built; without it only the plain manifests, the values and the schema are looked at. Objects are validated by
kubernetes-validate --strict, Argo's by hera's models; of the other custom resources the fields are those listed here.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import warnings

import jsonschema
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
CHART = DEPLOY / "helm/taphound-centre"
# Custom resources without a published model in Python: the fields we use, and no others.
CUSTOM = {
    "ServiceMonitor": {"selector": {"matchLabels"}, "endpoints": {"port", "path", "interval", "honorLabels"}},
    "ExternalSecret": {
        "refreshInterval": None, "secretStoreRef": {"name", "kind"}, "target": {"name", "creationPolicy"}, "data": {"secretKey", "remoteRef"},
    },
    "Application": {
        "project": None, "source": {"repoURL", "targetRevision", "path", "helm", "directory"}, "destination": {"server", "namespace"},
        "syncPolicy": {"automated", "syncOptions", "managedNamespaceMetadata", "retry"},
    },
    "AppProject": {
        "description": None, "sourceRepos": None, "destinations": {"server", "namespace"}, "clusterResourceWhitelist": {"group", "kind"},
    },
}
# Values that somebody will try one day, and what the schema says.
REFUSED = {
    "no bucket": {"aws": {"bucket": ""}},
    "nowhere to keep runs": {"mlflow": {"database": {"host": ""}}},
    "two databases": {"postgresql": {"enabled": True}},
    "a database in plain text": {"mlflow": {"database": {"sslMode": "disable"}}},
    "open to the world without users": {"ingress": {"enabled": True, "host": "mlflow.example.org"}},
    "an ingress without a name": {"ingress": {"enabled": True}, "mlflow": {"auth": {"enabled": True}}},
    "the latest image": {"image": {"tag": "latest"}},
    "a key that nobody reads": {"mlflow": {"replicaCount": 3}},
    "a pod without limits": {"retrain": {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": None}}},
    "settings that the chart writes": {"retrain": {"settings": "[centre]\ntable = \"sqlite:x\"\n"}},
}


def merged(base, over):
    made = dict(base)
    for key, value in over.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made[key], value) if isinstance(value, dict) and isinstance(made.get(key), dict) else value
    return made


def check_values(faults):
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    examples = sorted((CHART / "ci").glob("*.yaml")) + sorted((DEPLOY / "argo/cd/values").glob("*.yaml"))
    for path in examples:
        for error in validator.iter_errors(merged(defaults, yaml.safe_load(path.read_text()))):
            faults.append(f"{path.name}: {'.'.join(map(str, error.path))}: {error.message}")
    sound = merged(defaults, {"aws": {"bucket": "example-data"}, "mlflow": {"database": {"host": "db.example.org"}}})
    if error := next(validator.iter_errors(sound), None):
        faults.append(f"the schema refuses sound values: {error.message}")
    for name, over in REFUSED.items():
        if validator.is_valid(merged(sound, over)):
            faults.append(f"the schema takes {name}")
    return examples


def pods(thing):
    """Pod specs and labels of an object."""
    kind, spec = thing["kind"], thing.get("spec", {})
    if kind in ("Deployment", "StatefulSet"):
        yield spec["template"]["metadata"]["labels"], spec["template"]["spec"]
    elif kind == "CronJob":
        template = spec["jobTemplate"]["spec"]["template"]
        yield template["metadata"]["labels"], template["spec"]
    elif kind == "CronWorkflow":
        inner = spec["workflowSpec"]
        for template in inner["templates"]:
            if "container" in template:
                yield inner["podMetadata"]["labels"], {**inner, "automountServiceAccountToken": False, "containers": [template["container"]]}


def check_pod(where, spec):
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or not security.get("runAsUser"):
        yield f"{where}: may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{where}: no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{where}: has a token of the cluster's API"
    volumes = {volume["name"] for volume in spec.get("volumes", [])} | {"data"}
    for container in spec.get("initContainers", []) + spec["containers"]:
        at = f"{where}/{container.get('name') or container['command'][1]}"
        inner = container.get("securityContext", {})
        if not inner.get("readOnlyRootFilesystem") or inner.get("allowPrivilegeEscalation") is not False or inner.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{at}: can write to its root, or gain rights"
        resources = container.get("resources", {})
        if not all({"cpu", "memory"} <= set(resources.get(part, {})) for part in ("requests", "limits")):
            yield f"{at}: no requests or limits"
        image = container["image"]
        if not image.startswith("{{") and not re.search(r":[\w.-]*\d[\w.-]*$", image):
            yield f"{at}: image {image} has no version"
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{at}: mounts {mount['name']}, which is no volume"


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def check_objects(name, things):
    labels = [(thing["metadata"]["name"], found) for thing in things for found, _ in pods(thing)]
    policies = [thing["spec"] for thing in things if thing["kind"] == "NetworkPolicy"]
    for thing in things:
        kind, spec, where = thing["kind"], thing.get("spec", {}), f"{name}: {thing['kind']}/{thing['metadata']['name']}"
        for _, pod in pods(thing):
            yield from check_pod(where, pod)
        if kind in ("Deployment", "StatefulSet"):
            for container in spec["template"]["spec"]["containers"]:
                if not {"readinessProbe", "livenessProbe"} <= set(container):
                    yield f"{where}: no probes"
        selector = {"Service": spec.get("selector"), "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels")}.get(kind)
        if selector is not None and not any(selects(selector, found) for _, found in labels):
            yield f"{where}: selects no pod"
        if kind == "ServiceMonitor" and not any(
            selects(spec["selector"]["matchLabels"], other["metadata"]["labels"])
            and {e["port"] for e in spec["endpoints"]} <= {p["name"] for p in other["spec"]["ports"]}
            for other in things if other["kind"] == "Service"
        ):
            yield f"{where}: watches no port of any service"
        if kind == "Application" and spec["syncPolicy"]["automated"] != {"prune": True, "selfHeal": True}:
            yield f"{where}: does not prune and heal by itself"
        if kind in CUSTOM:
            for field, value in spec.items():
                if field not in CUSTOM[kind]:
                    yield f"{where}: {field} is not a field that is known here"
                for part in value if isinstance(value, list) else [value]:
                    if CUSTOM[kind][field] and not set(part) <= CUSTOM[kind][field]:
                        yield f"{where}: {field}: {sorted(set(part) - CUSTOM[kind][field])} is not known here"
    if policies:
        if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in policies:
            yield f"{name}: nothing denies what no policy allows"
        for pod, found in labels:
            if not any(policy["podSelector"] and selects(policy["podSelector"]["matchLabels"], found) for policy in policies):
                yield f"{name}: no network policy speaks of {pod}"
        for policy in policies:
            for rule in policy.get("ingress", []) + policy.get("egress", []):
                for peer in rule.get("from", []) + rule.get("to", []):
                    chosen = peer.get("podSelector", {}).get("matchLabels")
                    ours = chosen and "namespaceSelector" not in peer
                    if ours and not any(selects(chosen, found) for _, found in labels) and "retrain" not in chosen.values():
                        yield f"{name}: a network policy names pods that do not exist: {chosen}"


def check_strictly(path, things):
    """Kubernetes' own schemas; Argo's models for its workflows. Returns how many objects were held against one."""
    import kubernetes_validate
    from hera.workflows.models import CronWorkflow

    held, faults = 0, []
    for thing in things:
        where = f"{path}: {thing['kind']}/{thing['metadata']['name']}"
        if thing["kind"] == "CronWorkflow":
            read = json.loads(CronWorkflow.model_validate(thing).model_dump_json(by_alias=True, exclude_none=True))
            faults += [f"{where}: {lost} is nothing that Argo knows" for lost in lost_fields(thing, read, "")]
            held += 1
        elif thing["kind"] not in CUSTOM:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    kubernetes_validate.validate(thing, "1.32", strict=True)
                held += 1
            except Exception as fault:  # The module has several bases.
                faults.append(f"{where}: {getattr(fault, 'message', fault)}")
    return held, faults


def lost_fields(written, read, path):
    """What a model did not take over it did not know."""
    if isinstance(written, dict):
        for key, value in written.items():
            if not isinstance(read, dict) or key not in read:
                if value not in ({}, None):
                    yield f"{path}.{key}"
            else:
                yield from lost_fields(value, read[key], f"{path}.{key}")
    elif isinstance(written, list):
        for n, (one, other) in enumerate(zip(written, read)):
            yield from lost_fields(one, other, f"{path}[{n}]")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--render", type=pathlib.Path)
    given = arguments.parse_args()
    faults, objects, held = [], 0, 0
    examples = check_values(faults)
    sources = {str(path.relative_to(DEPLOY)): path.read_text() for path in [*(DEPLOY / "argo").glob("*.yaml"), *(DEPLOY / "argo/cd").glob("*.yaml"), *(DEPLOY / "argo/cd/apps").glob("*.yaml")]}
    if given.render:
        for path in examples:
            made = subprocess.run([given.render, CHART, "taphound", "taphound", path], capture_output=True, text=True)
            if made.returncode:
                faults.append(f"{path.name}: {made.stderr.strip()}")
            sources[f"chart with {path.name}"] = made.stdout
    for name, text in sorted(sources.items()):
        things = [thing for thing in yaml.safe_load_all(text) if thing]
        objects += len(things)
        faults += check_objects(name, things)
        found, wrong = check_strictly(name, things)
        held += found
        faults += wrong
    print("\n".join(faults))
    print(f"    counted {objects} objects, {held} held against published models; {len(examples)} sets of values taken, {len(REFUSED)} refused")
    return bool(faults)


sys.exit(main())
