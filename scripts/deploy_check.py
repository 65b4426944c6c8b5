"""Holds the chart of deploy/helm against Helm, Kubernetes and the program, and deploy/kubernetes against the chart.

deploy_check.py HELM [--write]: HELM is Helm's program. With --write the manifests are written anew before. The variable TIDEGATE
names our program: what the chart tells it is then checked by it, and it is started as the pod starts it.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/helm/tidegate"
ALL = CHART / "ci/drivers-values.yaml"
PLAIN = ROOT / "deploy/kubernetes/tidegate.yaml"
# The oldest that the chart takes, and the newest whose schemas there are.
KUBERNETES = ["1.27", "1.30", "1.33", "1.37"]
NAMESPACE = """\
# Written from deploy/helm/tidegate by scripts/deploy.sh: change that, not this. docs/deploy.md says how it is used.
apiVersion: v1
kind: Namespace
metadata:
  name: tidegate
  labels:
    # What the pod keeps to, so that nothing else comes in beside it.
    pod-security.kubernetes.io/enforce: restricted
"""
# Values that no chart takes, and the word that must be in what is said of them.
WRONG = [
    (["--set", "gateway.port=80"], "gateway"),
    (["--set", "readiness=never"], "readiness"),
    (["--set", "tokn.secret=x"], "tokn"),
    (["--set", "image.digest=sha256:12"], "digest"),
    (["--set", "secrets.NOT-A-NAME.secret=x,secrets.NOT-A-NAME.key=y"], "NOT-A-NAME"),
    (["--set", "rbac.kserve[0].namespace=shop"], "service"),
    (["--set", "bindAddress=127.0.0.1"], "bindAddress"),
    (["--set-json", 'workspace.files={"../x": "y"}'], "../x"),
    (["--set", "podDisruptionBudget.maxUnavailable=2"], "maxUnavailable"),
]

problems = []


def expect(holds, problem):
    if not holds:
        problems.append(problem)


def helm(*arguments):
    return subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, cwd=ROOT, check=False)


def rendered(*arguments):
    said = helm("template", "tidegate", str(CHART), "--namespace", "tidegate", *arguments)
    if said.returncode != 0:
        sys.exit(f"helm template {' '.join(arguments)}: {said.stderr}")
    return said.stdout


def plain():
    """The manifests as they are committed: helm's own comments name files of the chart and say nothing here."""
    text = re.sub(r"^# Source: .*\n", "", rendered(), flags=re.M)
    documents = [document.strip("\n") + "\n" for document in re.split(r"^---\n", text, flags=re.M) if document.strip()]
    return "---\n".join([NAMESPACE, *documents])


def kinds(documents, kind):
    return [d for d in documents if d["kind"] == kind]


def check_schemas(documents, what):
    for version in KUBERNETES:
        for document in documents:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                problems.append(f"{what}: {document['kind']} {document['metadata']['name']} for Kubernetes {version}: {error}")


def check_pod(documents, what):
    """The profile `restricted` of Kubernetes' Pod Security Standards, and a root file system that is not written to."""
    [workload] = kinds(documents, "StatefulSet")
    pod = workload["spec"]["template"]["spec"]
    expect(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0, f"{what}: runs as root")
    expect(pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, f"{what}: no seccomp profile")
    expect(not any(pod.get(name) for name in ["hostNetwork", "hostPID", "hostIPC"]), f"{what}: shares something of its node")
    kinds_of_volume = {next(name for name in volume if name != "name") for volume in pod["volumes"]}
    expect(kinds_of_volume <= {"configMap", "emptyDir", "persistentVolumeClaim"}, f"{what}: volumes are {kinds_of_volume}")
    for container in pod["containers"] + pod.get("initContainers", []):
        context = container["securityContext"]
        expect(context["allowPrivilegeEscalation"] is False, f"{what}: may gain privileges")
        expect(context["readOnlyRootFilesystem"] is True, f"{what}: its root file system is written to")
        expect(context["capabilities"] == {"drop": ["ALL"]}, f"{what}: has capabilities")
        expect(container["resources"]["limits"]["memory"], f"{what}: memory has no limit")
        names = [variable["name"] for variable in container["env"]]
        expect(len(names) == len(set(names)), f"{what}: a variable twice in {names}")
        ports = {port["name"] for port in container["ports"]}
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            expect(container[probe]["httpGet"]["port"] in ports, f"{what}: {probe} asks a port that is not there")
    return pod


def check_together(documents, what):
    """What names something names what is there."""
    [workload] = kinds(documents, "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    selectors = [s["spec"]["selector"] for s in kinds(documents, "Service")]
    selectors += [d["spec"]["selector"]["matchLabels"] for d in kinds(documents, "PodDisruptionBudget") + [workload]]
    selectors += [d["spec"]["podSelector"]["matchLabels"] for d in kinds(documents, "NetworkPolicy")]
    for selector in selectors:
        expect(selector.items() <= labels.items(), f"{what}: {selector} selects no pod of {labels}")
    services = {s["metadata"]["name"] for s in kinds(documents, "Service")}
    expect(workload["spec"]["serviceName"] in services, f"{what}: the service of the set is not there")
    accounts = {a["metadata"]["name"] for a in kinds(documents, "ServiceAccount")}
    expect(workload["spec"]["template"]["spec"]["serviceAccountName"] in accounts, f"{what}: its account is not there")
    roles = {(r["metadata"]["namespace"], r["metadata"]["name"]) for r in kinds(documents, "Role")}
    for binding in kinds(documents, "RoleBinding"):
        role = (binding["metadata"]["namespace"], binding["roleRef"]["name"])
        expect(role in roles, f"{what}: {role} is bound and not there")
        expect(binding["subjects"][0]["name"] in accounts, f"{what}: a role is bound to another account")


def check_rules(documents):
    """The rights are those that docs/drivers.md asks for, for the same names."""
    page = (ROOT / "docs/drivers.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(rules:\n.*?)```", page, flags=re.S)
    wanted = yaml.safe_load(block.group(1))["rules"]
    [role] = [r for r in kinds(documents, "Role") if r["metadata"]["name"].endswith("route-shop")]
    expect(role["rules"] == wanted, f"the rights of gateway_api are {role['rules']}, and docs/drivers.md says {wanted}")
    rights = [(rule["apiGroups"][0], rule["resources"][0], rule["verbs"]) for r in kinds(documents, "Role") for rule in r["rules"]]
    for right in [
        ("serving.kserve.io", "inferenceservices", ["get", "patch"]),
        ("serving.knative.dev", "revisions", ["get"]),
        ("argoproj.io", "applications", ["get"]),
        ("kustomize.toolkit.fluxcd.io", "kustomizations", ["get"]),
        ("helm.toolkit.fluxcd.io", "helmreleases", ["get"]),
    ]:
        expect(right in rights, f"nobody is given {right}")
    expect(all(set(verbs) <= {"get", "patch"} for *_, verbs in rights), f"more is given than get and patch: {rights}")


def workspace(documents, folder):
    """The files that the pod finds in its workspace."""
    [config] = kinds(documents, "ConfigMap")
    for name, text in config["data"].items():
        (folder / name).write_text(text, encoding="utf-8")


def check_config(program, documents, what):
    with tempfile.TemporaryDirectory() as folder:
        workspace(documents, pathlib.Path(folder))
        said = subprocess.run([program, "-C", folder, "config", "check"], capture_output=True, text=True, check=False)
        expect(said.returncode == 0, f"{what}: tidegate config check: {said.stderr}")


def answer(url, headers=None):
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def probed(probe, ports, container):
    """What a probe sees, which the node sends to the pod's own address unless it names another."""
    get = probe["httpGet"]
    [asked] = [port["containerPort"] for port in container["ports"] if port["name"] == get["port"]]
    host = next((h["value"] for h in get.get("httpHeaders", []) if h["name"] == "Host"), f"10.1.2.3:{asked}")
    host = host.replace(str(asked), str(ports[get["port"]]))
    return answer(f"http://127.0.0.1:{ports[get['port']]}{get['path']}", {"host": host})


def check_running(program, documents, console):
    """Starts what the pod starts, on free ports, and asks what its probes ask, also that of `readiness: console`."""
    [container] = kinds(documents, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"]
    with tempfile.TemporaryDirectory() as folder:
        workspace(documents, pathlib.Path(folder))
        path = pathlib.Path(folder) / "tidegate.yaml"
        ports, text = {}, path.read_text(encoding="utf-8")
        for port in container["ports"]:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports[port["name"]] = free.getsockname()[1]
            expect(f"0.0.0.0:{port['containerPort']}" in text, f"tidegate.yaml does not listen on {port}")
            text = text.replace(f"0.0.0.0:{port['containerPort']}", f"127.0.0.1:{ports[port['name']]}")
        path.write_text(text, encoding="utf-8")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TIDEGATE_GATEWAY_TOKEN": "of-the-secret"}
        arguments = [folder if argument == "/workspace" else argument for argument in container["args"]]
        said = open(pathlib.Path(folder) / "said", "w+", encoding="utf-8")
        process = subprocess.Popen([program, *arguments], env=environment, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            url = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            for _ in range(600):
                if process.poll() is not None or answer(url["console"] + "/health") == 200:
                    break
                time.sleep(0.1)
            said.seek(0)
            expect(process.poll() is None, f"`{' '.join(arguments)}` ended: {said.read()}")
            seen = {name: probed(container[name], ports, container) for name in PROBES}
            # Nothing is released in an empty workspace: alive, and not yet ready.
            expect(seen == {"startupProbe": 200, "livenessProbe": 200, "readinessProbe": 503}, f"the probes see {seen}")
            expect(probed(console["readinessProbe"], ports, container) == 200, "the console's probe is refused")
            tokens = [answer(url["gateway"] + "/metrics", {"authorization": f"Bearer {token}"}) for token in ["of-the-secret", "other"]]
            expect(tokens == [200, 401], f"with the Secret's token, and with another: {tokens}")
            process.terminate()
            expect(process.wait(timeout=60) == 0, "SIGTERM does not end it well")
        finally:
            process.kill()
            said.close()


PROBES = ["startupProbe", "livenessProbe", "readinessProbe"]


def main():
    if "--write" in sys.argv:
        PLAIN.parent.mkdir(parents=True, exist_ok=True)
        PLAIN.write_text(plain(), encoding="utf-8")
    expect(PLAIN.exists() and PLAIN.read_text(encoding="utf-8") == plain(), f"{PLAIN} is not what the chart gives: run scripts/deploy.sh")
    program = os.environ.get("TIDEGATE")
    for values, what in [([], "defaults"), (["-f", str(ALL)], ALL.name)]:
        said = helm("lint", "--strict", str(CHART), *values)
        expect(said.returncode == 0, f"{what}: helm lint: {said.stdout}{said.stderr}")
        documents = [d for d in yaml.safe_load_all(rendered(*values)) if d]
        check_schemas(documents, what)
        pod = check_pod(documents, what)
        expect(pod["automountServiceAccountToken"] == bool(values), f"{what}: the account's token is mounted, or is missing")
        check_together(documents, what)
        if program:
            check_config(program, documents, what)
            if not values:
                console = kinds(yaml.safe_load_all(rendered("--set", "readiness=console")), "StatefulSet")
                check_running(program, documents, console[0]["spec"]["template"]["spec"]["containers"][0])
        if values:
            check_rules(documents)
    check_schemas(list(yaml.safe_load_all(PLAIN.read_text(encoding="utf-8"))), PLAIN.name)
    for arguments, word in WRONG:
        said = helm("template", "tidegate", str(CHART), *arguments)
        expect(said.returncode != 0 and word in said.stderr, f"{arguments} is taken, or not named: {said.stderr}")
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    missing = set(defaults) ^ (set(schema["properties"]) - {"global"})
    expect(not missing, f"values.yaml and values.schema.json differ in {missing}")
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"chart and manifests hold: {len(KUBERNETES)} versions of Kubernetes, {len(WRONG)} wrong values refused"
          + ("" if program else "; the program itself was not asked (TIDEGATE names none)"))


main()
