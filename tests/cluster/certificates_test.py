"""Certificates of jobs on a real cluster: who gets in with them, and that they are renewed under way.

certificates_test.py, within a test cluster whose nodes have the image localhost/ballast:test (see images.py).
"""

import base64
import json
import re
import socket
import ssl
import subprocess
import time
import unittest
import urllib.request

from training import LIMIT, LIMIT_SECONDS, PROGRAMS, TrainingCase, run

LONG = 10**6  # steps of a job that is deleted before it ends
SERVER_PORT = 7600
METRICS_PORT = 9600
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # how gRPC begins in plain text


class Certificates(TrainingCase):
    flags = ["--certificate-minutes", "4"]

    def tearDown(self):
        run("kubectl", "delete", "tjob", "--all", "--wait")
        run("kubectl", "wait", "--for=delete", "pods", "--selector=ballast.dev/job", "--timeout=60s")

    def get(self, *what):
        done = run("kubectl", "get", *what, "--output=json")
        self.assertEqual(done.returncode, 0, done.stderr + self.told())
        return json.loads(done.stdout)

    def files_of(self, secret):
        """The folder with the content of a Secret."""
        made = run("kubectl", "wait", "--for=create", f"secret/{secret}", f"--timeout={LIMIT}")
        self.assertEqual(made.returncode, 0, made.stderr + self.told())
        folder = self.folder / secret
        folder.mkdir()
        for name, value in self.get("secret", secret)["data"].items():
            (folder / name).write_bytes(base64.b64decode(value))
        return folder

    def addresses_and_uids(self, job):
        """Address by name, and uids, of its pods."""
        found = self.pods(job)
        return ({pod["metadata"]["name"]: pod["status"].get("podIP") for pod in found},
                {pod["metadata"]["uid"] for pod in found})

    def context(self, trusted, own=None):
        """Addresses are not in the certificates."""
        context = ssl.create_default_context(cafile=trusted / "ca.crt")
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        if own:
            context.load_cert_chain(own / "tls.crt", own / "tls.key")
        return context

    def answer_to(self, address, context):
        """What a server says to gRPC's first bytes; empty where it lets nobody in."""
        try:
            with socket.create_connection((address, SERVER_PORT), timeout=30) as plain:
                connection = context.wrap_socket(plain) if context else plain
                with connection:
                    connection.sendall(HTTP2)
                    return connection.recv(64)
        except (ssl.SSLError, ConnectionError):
            return b""

    def ask_to_join(self, job, server, own):
        """A worker of ours that says that it is of `job`."""
        settings = self.get("configmap", f"{job}-config")["data"]["job.json"]
        path = self.folder / "job-settings.json"
        path.write_text(settings.replace("/data/", f"{self.folder}/data/"), encoding="ascii")
        return subprocess.run(
            [PROGRAMS / "ballast-worker", "--name", "worker-9", "--job", path, "--servers", f"{server}:{SERVER_PORT}",
             "--cache-dir", self.folder / "cache", "--metrics-listen", "127.0.0.1:0", "--tls-certificate",
             own / "tls.crt", "--tls-key", own / "tls.key", "--tls-ca", own / "ca.crt"],
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)

    def test_only_who_belongs_to_the_job_gets_in(self):
        self.begin("ours", LONG)
        self.begin("theirs", LONG)
        self.wait_for_step("ours", 1)
        server, ours, theirs = (self.files_of(f"{name}-tls") for name in ("ours-ps", "ours-worker", "theirs-worker"))
        addresses, _ = self.addresses_and_uids("ours")
        at = addresses["ours-ps-0"]

        # A worker's key is none for a server, in whatever program.
        for purpose, folder, good in [("sslserver", server, True), ("sslclient", server, True),
                                      ("sslserver", ours, False), ("sslclient", ours, True)]:
            asked = run("openssl", "verify", "-purpose", purpose, "-CAfile", folder / "ca.crt", folder / "tls.crt")
            self.assertEqual(asked.returncode == 0, good, f"{purpose} of {folder.name}: {asked.stdout}{asked.stderr}")
        text = run("openssl", "x509", "-in", ours / "tls.crt", "-noout", "-ext", "subjectAltName").stdout
        uid = self.get("tjob", "ours")["metadata"]["uid"]
        self.assertIn(f"URI:spiffe://ballast/default/{uid}/worker", text)

        # HTTP/2's settings are the answer to whoever is let in at all.
        self.assertEqual(self.answer_to(at, self.context(ours, ours))[3:4], b"\x04", self.told())
        self.assertEqual(self.answer_to(at, self.context(ours)), b"", "without a certificate")
        self.assertNotEqual(self.answer_to(at, None)[3:4], b"\x04", "in plain text")

        # And then the process that listens says who it is.
        asked = self.ask_to_join("ours", at, theirs)
        self.assertEqual(asked.returncode, 3, asked.stderr + self.told())
        self.assertIn("its certificate to job", asked.stderr)

        # The authority lies with the operator, and its key in no namespace of jobs.
        self.assertEqual(set(self.get("secret", "ballast-operator-ca")["data"]), {"tls.crt", "tls.key"})
        self.assertEqual(set(self.get("secret", "ours-ps-tls")["data"]), {"ca.crt", "tls.crt", "tls.key"})

    def metric(self, address, name):
        """As the process at the address tells it; None where nobody answers, or not of that."""
        try:
            with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/metrics", timeout=30) as answer:
                found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
        except OSError:
            return None
        return float(found[1]) if found else None

    def wait_for_all(self, what, holds, of):
        """For all of `of`."""
        waiting, deadline = set(of), time.monotonic() + LIMIT_SECONDS
        while waiting and time.monotonic() < deadline:
            time.sleep(0.5)
            waiting = {name for name in waiting if not holds(name)}
        self.assertEqual(waiting, set(), f"{what}:\n{self.told()}")

    def test_certificates_are_renewed_while_the_job_trains(self):
        self.begin("long", LONG)
        self.wait_for_step("long", 1)
        addresses, uids = self.addresses_and_uids("long")
        self.assertEqual(len(addresses), 4)
        end = "ballast_certificate_end_timestamp_seconds"
        first = {name: self.metric(address, end) for name, address in addresses.items()}
        self.assertNotIn(None, first.values(), self.told())
        self.wait_for_all("renewed", lambda name: self.metric(addresses[name], end) > first[name], addresses)
        self.assertEqual(self.addresses_and_uids("long"), (addresses, uids), "somebody was restarted")

        # New connections are made with the new ones: a worker that is lost comes back and joins.
        lost = self.uid("pod", "long-worker-0")
        run("kubectl", "delete", "pod", "long-worker-0", "--grace-period=0", "--force", "--wait=false")
        self.wait_for_all("joined", self.has_joined_after(lost), ["long-worker-0"])
        status = self.get("tjob", "long")["status"]
        self.assertEqual(status["certificates"].keys(), {"expirationTime", "renewalTime", "signer"})

    def has_joined_after(self, lost):
        def holds(name):
            found = json.loads(run("kubectl", "get", "pod", name, "--output=json").stdout or "{}")
            if not found or found["metadata"]["uid"] == lost:
                return False
            return self.metric(found["status"].get("podIP"), "ballast_worker_joined") == 1
        return holds

    def test_a_job_that_trusts_its_network_has_no_certificates(self):
        self.begin("trusting", 10, spec={"network": {"trusted": True}})
        self.wait_for("trusting", "condition=Succeeded")
        self.assertEqual(self.get("secrets", "--selector=ballast.dev/job=trusting")["items"], [])
        self.assertNotIn("certificates", self.get("tjob", "trusting")["status"])


if __name__ == "__main__":
    unittest.main()
