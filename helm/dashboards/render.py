"""render.py FOLDER   writes the dashboards as JSON. Needs grafana-foundation-sdk (helm/dashboards/requirements.txt)."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from pages import PAGES


def main(folder):
    for name, make in PAGES.items():
        text = json.dumps(make().made.build(), cls=JSONEncoder, indent=1, sort_keys=True)
        (Path(folder) / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
