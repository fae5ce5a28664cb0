"""What the audit log of a test cluster tells: who asked for what, and when."""

import json
import os
from datetime import datetime


def seconds(stamp):
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


class Audit:
    """Reads the log from where it stands when this is made."""

    def __init__(self):
        self.path = os.path.join(os.environ["BALLAST_CLUSTER"], "audit.log")
        self.begin = os.path.getsize(self.path)

    def requests(self):
        """Those that were answered since then."""
        with open(self.path, "rb") as file:
            if self.begin > 0:  # the line that was being written then is of before
                file.seek(self.begin - 1)
                file.readline()
            for line in file:
                if not line.endswith(b"\n"):
                    return  # being written
                event = json.loads(line)
                if event.get("stage") == "ResponseComplete":
                    yield event

    def creates(self, resource, namespaces):
        """[(received, answered)] of those that were created there, by time."""
        return sorted(stamps for one, of in self.creates_by_namespace(resource).items() if one in namespaces
                      for stamps in of)

    def creates_by_namespace(self, resource):
        """{namespace: [(received, answered)]}; the log of a crowd is read once for all of its namespaces."""
        found = {}
        for event in self.requests():
            place = event.get("objectRef", {})  # none: of a path that is no object
            if (event["verb"] == "create" and place.get("resource") == resource and not place.get("subresource")
                    and event["responseStatus"].get("code") == 201):
                found.setdefault(place.get("namespace"), []).append(
                    (seconds(event["requestReceivedTimestamp"]), seconds(event["stageTimestamp"])))
        return found

    def writes(self, user, namespaces):
        """[(verb, resource/subresource, code)] of that user in those namespaces."""
        found = []
        for event in self.requests():
            if event["user"]["username"] != user or event["verb"] in ("get", "list", "watch"):
                continue
            place = event["objectRef"]
            if place.get("namespace") in namespaces:
                what = "/".join(filter(None, [place["resource"], place.get("subresource")]))
                found.append((event["verb"], what, event["responseStatus"].get("code")))
        return found


def span(creates):
    """From the first that was asked for to the last that was answered."""
    return max(answered for _, answered in creates) - min(received for received, _ in creates)
