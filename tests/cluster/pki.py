"""Keys, certificates and kubeconfigs of one test cluster, made with openssl. Elliptic keys: they take milliseconds."""

import base64
import json
import subprocess

DAYS = "2"


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")


class Pki:
    """A certificate authority in a folder. The API server takes a client's name from CN, its groups from O."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700)
        self._key("ca")
        openssl("req", "-x509", "-new", "-key", self.key("ca"), "-subj", "/CN=test-cluster-ca", "-days", DAYS,
                "-out", self.certificate("ca"), "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")
        self._key("service-accounts")
        openssl("pkey", "-in", self.key("service-accounts"), "-pubout", "-out", self.folder / "service-accounts.pub")

    def key(self, name):
        return self.folder / f"{name}.key"

    def certificate(self, name):
        return self.folder / f"{name}.crt"

    def _key(self, name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key(name))

    def issue(self, name, subject, alternative_names=""):
        """For both ends of a connection, as kubelets need it."""
        self._key(name)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature",
                 "extendedKeyUsage=serverAuth,clientAuth"]
        if alternative_names:
            lines.append(f"subjectAltName={alternative_names}")
        extensions.write_text("\n".join(lines) + "\n", encoding="ascii")
        openssl("req", "-new", "-key", self.key(name), "-subj", subject, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate("ca"), "-CAkey", self.key("ca"),
                "-CAcreateserial", "-days", DAYS, "-out", self.certificate(name), "-extfile", extensions)

    def kubeconfig(self, path, name, server):
        """Of a client whose certificate was issued under this name. JSON is YAML."""
        def encoded(file):
            return base64.b64encode(file.read_bytes()).decode()

        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": server, "certificate-authority-data": encoded(self.certificate("ca"))}}],
            "users": [{"name": name, "user": {
                "client-certificate-data": encoded(self.certificate(name)),
                "client-key-data": encoded(self.key(name))}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
            "current-context": "test",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=1), encoding="ascii")
        return path
