"""CoreDNS: the names of a test cluster's services, answered at the control plane's end of the nodes' bridge."""

from control_plane import DOMAIN, HOST
from processes import answers
from programs import path_of

READY = "127.0.0.1:8181"


def start_names(plane):
    kubeconfig = plane.user("coredns", "system:masters")
    config = plane.folder / "Corefile"
    config.write_text(f""".:53 {{
  bind {HOST}
  errors
  ready {READY}
  kubernetes {DOMAIN} in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 5
  }}
  cache 5
}}
""", encoding="ascii")
    plane.processes.start("coredns", [path_of("coredns"), "-conf", config])


def wait_for_names(plane):
    plane.processes.wait_until("CoreDNS is ready", "coredns", lambda: answers(f"http://{READY}/ready"))
