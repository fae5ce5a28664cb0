"""What a test cluster is to have; from the command line to the first process inside."""

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Settings:
    nodes: int = 0
    fake_nodes: int = 0
    images: list = field(default_factory=list)  # files that nodes load
    programs: list = field(default_factory=list)  # more that the command finds on PATH
    audit: bool = False  # BALLAST_CLUSTER/audit.log

    def text(self):
        return json.dumps(asdict(self))

    @staticmethod
    def of(text):
        return Settings(**json.loads(text))
