"""What a test may do to its cluster while it runs, as it asks at the control socket (see ask.py).

kill NAME, start NAME      of a process (kube-apiserver, kubelet-node1, ...) or a node (node1): power lost, and back
pause NAME, resume NAME    of a process: it stands still, its connections open
cut NAME, join NAME        of a node: its cable pulled, and plugged in again; its processes go on
user NAME                  an administrator of that name, whose kubeconfig is BALLAST_CLUSTER/NAME.kubeconfig
"""

import signal

PROCESS_VERBS = {
    "kill": lambda plane, name: plane.processes.kill(name),
    "start": lambda plane, name: plane.start_again(name),
    "pause": lambda plane, name: plane.processes.signal(name, signal.SIGSTOP),
    "resume": lambda plane, name: plane.processes.signal(name, signal.SIGCONT),
}
NODE_VERBS = {
    "kill": lambda node: node.kill(),
    "start": lambda node: node.start_again(),
    "cut": lambda node: node.cut(),
    "join": lambda node: node.join(),
}
VERBS = sorted({*PROCESS_VERBS, *NODE_VERBS, "user"})


def do(plane, nodes, verb, name):
    """Returns when it is done: a process that was started answers. ValueError: there is no such thing."""
    if verb not in VERBS:
        raise ValueError(f'no verb "{verb}"; there are {", ".join(VERBS)}')
    if verb == "user":
        plane.user(name, "system:masters")
        return
    node = next((node for node in nodes if node.name == name), None)
    if node and verb in NODE_VERBS:
        NODE_VERBS[verb](node)
    elif name in plane.processes.commands and verb in PROCESS_VERBS:
        PROCESS_VERBS[verb](plane, name)
    else:
        there = [node.name for node in nodes if verb in NODE_VERBS]
        there += plane.processes.commands if verb in PROCESS_VERBS else []
        raise ValueError(f'nothing to {verb} is called "{name}"; there are {", ".join(there) or "none"}')
