"""Schemas for kubeconform, made of what the API server itself publishes: nothing is fetched, and they fit its version.

Strict, as the API server is with --validate=strict: what a schema does not know is an error.
"""

import json
import time

from commands import said

LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
PUBLISHED_SECONDS = 30  # after a CustomResourceDefinition was made
POLL_SECONDS = 0.2


def closed(schema):
    """Knows no more than it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if made.get("x-kubernetes-preserve-unknown-fields") is True:
        made["additionalProperties"] = True
    if made.get("format") == "int-or-string":
        del made["format"]
        made["type"] = ["string", "integer"]
    return made


def published(kinds):
    """Definitions by name, and the names of these (apiVersion, kind); an AssertionError when one stays unknown."""
    deadline = time.monotonic() + PUBLISHED_SECONDS
    while True:
        definitions = json.loads(said("kubectl", "get", "--raw", "/openapi/v2"))["definitions"]
        names = {}
        for name, definition in definitions.items():
            for kind in definition.get("x-kubernetes-group-version-kind", []):
                names["/".join(filter(None, [kind["group"], kind["version"]])), kind["kind"]] = name
        unknown = set(kinds) - set(names)
        if not unknown:
            return definitions, {kind: names[kind] for kind in kinds}
        if time.monotonic() > deadline:
            raise AssertionError(f"the API server does not know {sorted(unknown)}")
        time.sleep(POLL_SECONDS)


def references(schema):
    """Names of the definitions that it refers to."""
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    found = set().union(*map(references, schema.values()))
    if isinstance(schema.get("$ref"), str):
        found.add(schema["$ref"].rsplit("/", 1)[-1])
    return found


def write_schemas(folder, kinds):
    """One file for each (apiVersion, kind), where kubeconform looks for it with -schema-location=folder/LOCATION."""
    definitions, names = published(kinds)
    for (version, kind), name in names.items():
        needed, new = set(), {name}
        while new:
            needed |= new
            new = set().union(*(references(definitions[each]) for each in new)) - needed
        schema = {"$ref": f"#/definitions/{name}", "definitions": {each: closed(definitions[each]) for each in needed}}
        group, _, number = version.rpartition("/")
        parts = [kind.lower(), *([group.split(".")[0]] if group else []), number]
        (folder / ("-".join(parts) + ".json")).write_text(json.dumps(schema), encoding="utf-8")
