"""The test cluster itself: up in seconds, beside others, nothing left, and a clear word where something is missing."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = [sys.executable, "-B", HERE / "cluster.py", "run"]
# Asks a name server for the address of a name; prints it.
RESOLVE = """
import socket, struct, sys
server, name = sys.argv[1:]
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes([0, 0, 1, 0, 1])
with socket.socket(type=socket.SOCK_DGRAM) as asking:
    asking.settimeout(10)
    asking.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question, (server, 53))
    answer = asking.recv(512)
assert struct.unpack(">6H", answer[:12])[3] == 1, answer
print(socket.inet_ntoa(answer[-4:]))
"""


def run(script, *flags, **options):
    environment = {**os.environ, "ASK": str(HERE / "ask.py"), "RESOLVE": RESOLVE}
    environment.pop("BALLAST_TEST_KUBECONFIG", None)
    command = [*RUN, *flags, "--", "bash", "-c", 'ask() { python3 -B "$ASK" "$@"; }\n' + script]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


def processes_with(word):
    """Ids of processes outside whose environment or arguments have the word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            known = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if word.encode() in known and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


NEEDS_ROOT = unittest.skipUnless(os.geteuid() == 0, "nodes need root")


class Cluster(unittest.TestCase):
    def test_two_at_once_and_nothing_left(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "TMPDIR": folder}
            script = ('kubectl create namespace "$0" >&2; echo; read -r; kubectl get namespaces -o name; '
                      "ls $BALLAST_CLUSTER")
            both = [subprocess.Popen([*RUN, "bash", "-c", script, name], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True, env=environment) for name in ("one", "two")]
            for process in both:  # both are up, and each has its namespace
                self.assertEqual(process.stdout.readline(), "\n")
            said = [process.communicate("\n")[0] for process in both]
            self.assertIn("namespace/one", said[0])
            self.assertNotIn("namespace/two", said[0])
            self.assertIn("namespace/two", said[1])
            self.assertEqual(os.listdir(folder), [])
            self.assertEqual(processes_with(folder), [])

    def test_nothing_runs_on_when_it_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen([*RUN, "bash", "-c", "echo; read -r"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder})
            self.assertEqual(process.stdout.readline(), "\n")
            self.assertGreater(len(processes_with(folder)), 3)
            process.send_signal(signal.SIGKILL)
            # The pipe ends when the last process that holds it is gone; the kernel ends the others then.
            self.assertEqual(process.stdout.read(), "")
            process.communicate()
            deadline = time.monotonic() + 60
            while left := [each for each in processes_with(folder) if not zombie(each)]:
                self.assertLess(time.monotonic(), deadline, left)
                time.sleep(0.05)
            self.assertEqual([path for path in Path(folder).rglob("*") if path.is_file()], [])

    def test_the_api_server_can_be_lost_and_found(self):
        done = run("""
            kubectl create configmap kept >/dev/null
            ask kill kube-apiserver; kubectl get --raw /readyz >/dev/null 2>&1 || echo lost
            ask start kube-apiserver; kubectl get configmap kept --output=name
            ask pause kube-apiserver; ask resume kube-apiserver; kubectl get --raw /readyz; echo
            ask kill nobody; ask dance etcd; exit 7""")
        self.assertEqual(done.stdout.split("\n")[:7],
                         ["ok", "lost", "ok", "configmap/kept", "ok", "ok", "ok"], done.stderr)
        self.assertIn('nothing to kill is called "nobody"', done.stdout)
        self.assertIn('no verb "dance"', done.stdout)
        self.assertEqual(done.returncode, 7)  # the command's own

    def test_users_and_what_they_asked_for(self):
        done = run("""
            kubectl auth whoami --output=jsonpath={.status.userInfo.username}; echo
            ask user somebody
            kubectl --kubeconfig=$BALLAST_CLUSTER/somebody.kubeconfig create configmap theirs >/dev/null
            grep '"username":"somebody"' $BALLAST_CLUSTER/audit.log | grep -o '"verb":"create".*"name":"theirs"' |
                cut -d, -f1""", "--audit")
        self.assertEqual(done.stdout, 'admin\nok\n"verb":"create"\n', done.stderr)

    @NEEDS_ROOT
    def test_pods_of_two_nodes_services_and_names(self):
        done = run("""
            kubectl wait --for=create sa/default --timeout=120s >/dev/null
            for node in node1 node2; do kubectl create -f - >/dev/null <<END
{apiVersion: v1, kind: Pod, metadata: {name: on-$node}, spec: {nodeName: $node, automountServiceAccountToken: false,
 containers: [{name: main, image: "localhost/pause:1", imagePullPolicy: Never}]}}
END
            done
            kubectl wait --for=condition=Ready pod/on-node1 pod/on-node2 --timeout=120s >/dev/null
            address=$(kubectl get pod on-node2 --output=jsonpath={.status.podIP})
            from() { nsenter --net=/run/netns/$1 "${@:2}"; }
            from node1 ping -c 1 -W 5 "$address" >/dev/null && echo reached
            from node2 kubectl --server=https://10.96.0.1 get --raw /readyz; echo
            kubectl --server=https://10.96.0.1 get --raw /readyz; echo
            from node2 python3 -c "$RESOLVE" 10.250.0.1 kubernetes.default.svc.cluster.local
            basename "$BALLAST_CLUSTER"
            """, "--nodes=2")
        said, name = done.stdout.split("\n")[:4], done.stdout.split("\n")[4]
        self.assertEqual(said, ["reached", "ok", "ok", "10.96.0.1"], done.stderr)
        self.assertEqual((list(Path("/sys/fs/cgroup").glob(f"**/{name}-*")), done.stderr), ([], ""))

    @NEEDS_ROOT
    def test_nodes_are_lost_and_found(self):
        done = run("""
            silent() { ping -c 1 -W 2 10.250.0.12 >/dev/null || echo silent; }
            reached() { ping -c 30 -W 2 10.250.0.12 | grep -q --line-buffered "bytes from" && echo reached; }
            becomes() { kubectl wait --for=condition=Ready=$1 node/node2 --timeout=120s >/dev/null && echo $1; }
            reached; ask cut node2; silent; becomes Unknown
            ask join node2; reached; becomes True
            ask kill node2; silent; becomes Unknown
            ask start node2; reached; becomes True
            kubectl get node node1 --output='jsonpath={.status.conditions[?(@.type=="Ready")].status}'; echo
            ask cut node3""", "--nodes=2")
        self.assertEqual(done.stdout.split("\n")[:14],
                         ["reached", "ok", "silent", "Unknown", "ok", "reached", "True",
                          "ok", "silent", "Unknown", "ok", "reached", "True", "True"], done.stdout + done.stderr)
        self.assertIn('nothing to cut is called "node3"; there are node1, node2', done.stdout)

    def test_fake_nodes_pretend_to_run_pods(self):
        done = run("""
            kubectl wait --for=create sa/default --timeout=120s >/dev/null
            kubectl create deployment many --image=none --replicas=30 >/dev/null
            kubectl wait --for=jsonpath={.status.availableReplicas}=30 deployment/many --timeout=120s >/dev/null
            kubectl get pods --no-headers --field-selector=status.phase=Running | wc -l""", "--fake-nodes=3")
        self.assertEqual(done.stdout, "30\n", done.stderr)

    def test_what_is_missing_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ["unshare", "setpriv", "ip"]:
                os.symlink(subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip(),
                           Path(folder) / name)
            done = subprocess.run([*RUN, "true"], capture_output=True, text=True, check=False,
                                  env={"PATH": folder, "HOME": folder})
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("openssl is not there (Debian: openssl)", done.stderr)

    def test_a_given_cluster_is_used_instead(self):
        done = subprocess.run([*RUN, "bash", "-c", "echo $KUBECONFIG"], capture_output=True, text=True, check=False,
                              env={**os.environ, "BALLAST_TEST_KUBECONFIG": "/given"})
        self.assertEqual(done.stdout, "/given\n")


def zombie(process):
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return True


if __name__ == "__main__":
    unittest.main()
