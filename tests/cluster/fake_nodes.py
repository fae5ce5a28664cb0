"""Nodes that only pretend: kwok says that their pods run, so that thousands cost little."""

import json
import subprocess

from control_plane import HOST
from programs import path_of

PODS = "1000"  # of one node
AT_ONCE = 32  # pods that are told to run; kubelets of as many nodes would not wait for each other
CHOSEN = "kwok.x-k8s.io/node"  # annotation and taint
# An annotation of pods that kwok leaves alone from then on. It finishes each deletion that it hears of by deleting the
# pod by name; where it is late, that is the replacement, and so on for ever. Who deletes a pod at once says so first.
LEFT_ALONE = {"ballast.dev/left-alone": "yes"}


def fake_node(number, tainted):
    name = f"fake{number}"
    room = {"cpu": "1000", "memory": "1000Gi", "ephemeral-storage": "1000Gi", "pods": PODS}
    labels = {"type": "fake", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    taints = [{"key": CHOSEN, "value": "fake", "effect": "NoSchedule"}] if tainted else []
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {CHOSEN: "fake"}},
            "spec": {"taints": taints}, "status": {"allocatable": room, "capacity": room}}


def start_fake_nodes(plane, count, tainted):
    """fake0, fake1, ...; pods of real nodes keep off those that are tainted. Returns when all are Ready."""
    home = plane.folder / "kwok"
    home.mkdir()
    config = home / "config.json"
    selector = ",".join(f"{key}={value}" for key, value in LEFT_ALONE.items())
    config.write_text(json.dumps({"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration",
                                  "options": {"disregardStatusWithAnnotationSelector": selector,
                                              "podPlayStageParallelism": AT_ONCE}}), encoding="ascii")
    plane.processes.start("kwok", [
        path_of("kwok"), f"--config={config}", f"--kubeconfig={plane.user('kwok', 'system:masters')}",
        f"--manage-nodes-with-annotation-selector={CHOSEN}=fake", "--node-lease-duration-seconds=40",
        "--cidr=10.245.0.1/16", f"--node-ip={HOST}"], env={"HOME": str(home)})
    nodes = {"apiVersion": "v1", "kind": "List", "items": [fake_node(number, tainted) for number in range(count)]}
    subprocess.run([path_of("kubectl"), f"--kubeconfig={plane.admin}", "create", "--filename=-"],
                   input=json.dumps(nodes), text=True, stdout=subprocess.DEVNULL, check=True)
    plane.processes.wait_until(f"{count} fake nodes are Ready", "kwok", lambda: ready_fake_nodes(plane) == count)


def ready_fake_nodes(plane):
    path = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    asked = subprocess.run([path_of("kubectl"), f"--kubeconfig={plane.admin}", "get", "nodes", "--selector=type=fake",
                            f"--output=jsonpath={path}"], capture_output=True, text=True, check=False)
    return asked.stdout.split().count("True")
