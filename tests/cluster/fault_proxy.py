"""Stands between a client and the API server and breaks what it is told to break, while a command runs.

fault_proxy.py COMMAND...     with KUBECONFIG; the command sees BALLAST_PROXY=http://127.0.0.1:PORT

POST /faults takes a list of {"match": words of "METHOD PATH", "count": how often, "fault": ...}; the first that
matches a request and is not used up breaks it. Faults:
  status    answers "status" (with "retryAfter" seconds, if given), and asks nobody
  cut       closes the connection without an answer
  half      sends the first half of the answer, then closes the connection
  garbage   sends bytes that are no JSON in front of the answer
"""

import base64
import http.client
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse


class Upstream:
    """The API server of a kubeconfig in JSON, as the test cluster writes it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        cluster = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        self.address = urllib.parse.urlsplit(cluster["server"]).netloc
        self.tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.tls.load_cert_chain(pair.name)

    def connect(self):
        return http.client.HTTPSConnection(self.address, context=self.tls, timeout=120)


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None
    faults = []
    lock = threading.Lock()

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fault(self):
        with self.lock:
            for fault in self.faults:
                if fault["match"] in f"{self.command} {self.path}" and fault["count"] > 0:
                    fault["count"] -= 1
                    return fault
        return {"fault": "none"}

    def handle_request(self):
        body = self.body()
        if self.path == "/faults":
            with self.lock:
                self.faults[:] = json.loads(body)
            return self.answer(200, b"{}")
        fault = self.fault()
        if fault["fault"] == "cut":
            self.close_connection = True
            return None
        if fault["fault"] == "status":
            status = {"kind": "Status", "code": fault["status"], "message": "a fault that was asked for",
                      "reason": fault.get("reason", "")}
            retry = [("Retry-After", str(fault["retryAfter"]))] if "retryAfter" in fault else []
            return self.answer(fault["status"], json.dumps(status).encode(), retry)
        return self.forward(body, fault["fault"])

    def forward(self, body, fault):
        connection = self.upstream.connect()
        try:
            headers = {name: value for name, value in self.headers.items()
                       if name.lower() in ("accept", "content-type")}
            connection.request(self.command, self.path, body, headers)
            theirs = connection.getresponse()
        except OSError:
            self.close_connection = True
            return None
        if "watch=true" in self.path and theirs.status == 200:
            return self.forward_stream(theirs, fault)
        whole = theirs.read()
        if fault == "garbage":
            whole = b"}garbage{" + whole
        if fault == "half":
            self.send_response(theirs.status)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[:len(whole) // 2])
            self.close_connection = True
            return None
        return self.answer(theirs.status, whole, self.kept(theirs, "Retry-After", "Content-Type"))

    @staticmethod
    def kept(theirs, *names):
        return [(name, theirs.headers[name]) for name in names if name in theirs.headers]

    def forward_stream(self, theirs, fault):
        self.close_connection = True
        self.send_response(200)
        for name, value in self.kept(theirs, "Content-Type"):
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while part := theirs.read1(65536):
                if fault == "garbage":
                    part = b"}garbage{\n"
                if fault == "half":
                    part = part[:len(part) // 2]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
                if fault in ("half", "garbage"):
                    return
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            return

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request


def main():
    Proxy.upstream = Upstream(os.environ["KUBECONFIG"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    done = subprocess.run(sys.argv[1:], env={**os.environ, "BALLAST_PROXY": address}, check=False)
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


if __name__ == "__main__":
    main()
