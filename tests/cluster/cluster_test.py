"""The test cluster itself: up in seconds, beside others, nothing left, and a clear word where something is missing."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUN = [sys.executable, "-B", HERE / "cluster.py", "run"]
# Asks the cluster for something, such as "kill kube-apiserver", and shows the answer.
ASK = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["BALLAST_CLUSTER"] + "/control")
    connection.sendall(" ".join(sys.argv[1:]).encode() + b"\\n")
    print(connection.makefile().read().strip())
"""


def run(script, nodes=0, **options):
    environment = {**os.environ, "ASK": ASK}
    environment.pop("BALLAST_TEST_KUBECONFIG", None)
    command = [*RUN, f"--nodes={nodes}", "--", "bash", "-c", 'ask() { python3 -c "$ASK" "$@"; }\n' + script]
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


class Cluster(unittest.TestCase):
    def test_the_status_is_the_commands(self):
        done = run("kubectl get --raw /readyz && exit 7")
        self.assertEqual((done.stdout, done.returncode), ("ok", 7), done.stderr)

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
            # The pipe ends when the last process that holds it is gone.
            self.assertEqual(process.stdout.read(), "")
            process.communicate()
            self.assertEqual([left for left in processes_with(folder) if not zombie(left)], [])
            self.assertEqual([path for path in Path(folder).rglob("*") if path.is_file()], [])

    def test_the_api_server_can_be_lost_and_found(self):
        done = run("""
            kubectl create configmap kept >/dev/null
            ask kill kube-apiserver; kubectl get --raw /readyz >/dev/null 2>&1 || echo lost
            ask start kube-apiserver; kubectl get configmap kept --output=name
            ask pause kube-apiserver; ask resume kube-apiserver; kubectl get --raw /readyz; echo
            ask kill nobody; ask dance etcd""")
        self.assertEqual(done.stdout.split("\n")[:7],
                         ["ok", "lost", "ok", "configmap/kept", "ok", "ok", "ok"], done.stderr)
        self.assertIn('no process "nobody"', done.stdout)
        self.assertIn('no verb "dance"', done.stdout)

    def test_pods_of_two_nodes_reach_each_other_and_nothing_is_left(self):
        done = run("""
            kubectl wait --for=create sa/default --timeout=30s >/dev/null
            for node in node1 node2; do kubectl create -f - >/dev/null <<END
{apiVersion: v1, kind: Pod, metadata: {name: on-$node}, spec: {nodeName: $node, automountServiceAccountToken: false,
 containers: [{name: main, image: "localhost/pause:1", imagePullPolicy: Never}]}}
END
            done
            kubectl wait --for=condition=Ready pod/on-node1 pod/on-node2 --timeout=60s >/dev/null
            address=$(kubectl get pod on-node2 --output=jsonpath={.status.podIP})
            nsenter --net=/run/netns/node1 ping -c 1 -W 5 "$address" >/dev/null && echo reached
            """, nodes=2)
        self.assertEqual(done.stdout, "reached\n", done.stderr)
        left = list(Path("/sys/fs/cgroup").glob("**/ballast-cluster-*"))
        self.assertEqual((left, done.stderr), ([], ""))

    def test_users_have_the_rights_they_are_given(self):
        done = run("kubectl auth whoami --output=jsonpath={.status.userInfo.username}")
        self.assertEqual(done.stdout, "admin", done.stderr)

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
