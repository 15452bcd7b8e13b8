"""GitHub's API and webhooks as GitHub describes them: the OpenAPI document of npm `@octokit/openapi`, and the schemas of npm
`@octokit/webhooks-schemas`.

Both are read strictly: a name that a schema does not have is a fault, in what is sent and in what is answered.
"""

import functools
import json
import re
import urllib.parse

import jsonschema

# The version that the base of the OpenAPI document describes; later versions are patches beside it.
VERSION = "2022-11-28"
# Any call may be refused or fail with these, whether or not its description lists them.
REDIRECTS = {301, 302, 307, 308}
ANY_STATUS = {401, 403, 404, 429, 500, 502, 503}
# Begins a reference out of an `allOf`: what it leads to is a part, like the schemas beside it.
PART = "part:"
COMBINED = ("allOf", "anyOf", "oneOf")
FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("date-time")
def is_date_time(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value))


@FORMATS.checks("uri")
def is_uri(value):
    return not isinstance(value, str) or bool(re.match(r"[a-z][a-z+.-]*:", value))


def strict(schema, part=False):
    """A schema of OpenAPI 3.0 as JSON Schema that allows no other names. A part of an `allOf` knows only some of the names."""
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties", "definitions"):
            made[key] = {name: strict(inner, part) for name, inner in value.items()}
        elif key == "allOf":
            made[key] = [strict(one, part or len(value) > 1 or "properties" in schema) for one in value]
        elif key in ("anyOf", "oneOf"):
            # Branches overlap where the document does not close them, so one that fits is enough.
            made["anyOf"] = [strict(one, part) for one in value]
        elif key in ("items", "not", "additionalProperties"):
            made[key] = strict(value, part)
        elif key == "$ref" and part:
            made[key] = PART + value
        elif key not in ("example", "examples", "description"):
            made[key] = value
    closed = "properties" in made and not part and not any(key in schema for key in COMBINED)
    if closed and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    if made.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, made]}
    return made


class Validator:
    """Validates against schemas of one document, whose references are made strict when they are first followed."""

    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver("", {}, handlers={"": None})
        self.resolver.resolve = self.resolve

    def part(self, reference):
        names = (name.replace("~1", "/").replace("~0", "~") for name in reference.removeprefix("#/").split("/"))
        return functools.reduce(lambda part, name: part[name], names, self.document)

    def followed(self, part):
        return self.part(part["$ref"]) if "$ref" in part else part

    @functools.cache
    def resolve(self, reference):
        return reference, strict(self.part(reference.removeprefix(PART)), reference.startswith(PART))

    def check(self, schema, value, at, fault):
        schema = strict(schema)
        validator = jsonschema.Draft7Validator(schema, resolver=self.resolver, format_checker=FORMATS)
        for error in validator.iter_errors(value):
            for leaf in leaves(error):
                place = at + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in leaf.absolute_path)
                if leaf.validator == "additionalProperties" and leaf.validator_value is False:
                    for name in sorted(set(leaf.instance) - set(leaf.schema.get("properties", {}))):
                        fault(f"{place}.{name}".lstrip("."), "GitHub has no such field")
                elif leaf.validator == "required":
                    # There is one error for each missing name, and only its message has the name.
                    name = re.match("'(.+)' is a required property", leaf.message).group(1)
                    fault(f"{place}.{name}".lstrip("."), "GitHub requires it")
                else:
                    fault(place.lstrip("."), reason(leaf))


def leaves(error):
    """The faults behind a failed choice: those of the branch that comes closest."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        return [error]
    branches = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).extend(leaves(inner))
    wrong_kind = lambda faults: any(one.validator == "type" and one.absolute_path == error.absolute_path for one in faults)
    return min(branches.values(), key=lambda faults: (wrong_kind(faults), len(faults)))


def reason(error):
    if len(error.message) <= 160:
        return error.message
    return f"{str(error.instance)[:60]}… violates {error.validator} {str(error.validator_value)[:60]}"


class Api:
    def __init__(self, openapi, webhooks):
        self.document = json.loads(openapi.read_text())
        self.schemas = Validator(self.document)
        self.webhooks = json.loads(webhooks.read_text())
        self.webhook_schemas = Validator(self.webhooks)
        self.routes = sorted(
            ((self.pattern(path, item), path, item) for path, item in self.document["paths"].items()),
            # Of two that fit, the longer one says more: `/commits/{ref}` takes anything below it.
            key=lambda route: (route[1].count("{"), -len(route[1])),
        )

    def pattern(self, path, item):
        parameters = [one for call in item.values() if isinstance(call, dict) for one in self.parameters(call)]
        several = {one["name"] for one in parameters if one.get("x-multi-segment")}
        place = lambda found: ".+" if found.group(1) in several else "[^/]+"
        return re.compile(re.sub(r"\\{(.+?)\\}", place, re.escape(path).replace(r"\_", "_")))

    def parameters(self, call):
        return [self.schemas.followed(one) for one in call.get("parameters", [])]

    def call(self, method, path):
        for pattern, template, item in self.routes:
            if method.lower() in item and pattern.fullmatch(path):
                return template, item[method.lower()]
        return None


def check_request(api, call, fault):
    """Compares one request and its answer. Returns the endpoint as text, or None for one that GitHub does not have."""
    # GitHub redirects the calls of a renamed repository to the same endpoint by the repository's number.
    path = re.sub(r"^/repositories/\d+(?=/|$)", "/repos/renamed/repository", call["path"])
    found = api.call(call["method"], path)
    if found is None:
        fault("request", "", "GitHub has no such endpoint")
        return None
    template, operation = found
    if (version := call["headers"].get("x-github-api-version")) != VERSION:
        fault("request", "X-GitHub-Api-Version", f"{version} is not {VERSION}")
    check_query(api, operation, call["query"], lambda field, why: fault("request", field, why))
    described = operation.get("requestBody")
    body = None if call["body"] == "" else call["body"]
    if described is None:
        if body:
            fault("request", "body", "the endpoint takes no body")
    elif body is None:
        if described.get("required"):
            fault("request", "body", "the endpoint requires a body")
    else:
        schema = described["content"]["application/json"]["schema"]
        api.schemas.check(schema, body, "", lambda field, why: fault("request", field, why))
    check_answer(api, operation, call, lambda field, why: fault("answer", field, why))
    return f"{call['method']} {template}"


def check_query(api, operation, query, fault):
    known = {one["name"]: one for one in api.parameters(operation) if one["in"] == "query"}
    given = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    for name, text in given.items():
        if name not in known:
            fault(name, "the endpoint has no such parameter")
            continue
        schema = known[name]["schema"]
        value = int(text) if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text) else text
        value = {"true": True, "false": False}.get(text, value) if schema.get("type") == "boolean" else value
        api.schemas.check(schema, value, name, fault)
    for name, one in known.items():
        if one.get("required") and name not in given:
            fault(name, "the endpoint requires it")


def check_answer(api, operation, call, fault):
    status = call["status"]
    if status in REDIRECTS:
        return
    described = operation["responses"].get(str(status))
    if described is None and status not in ANY_STATUS:
        fault("status", f"the endpoint does not answer {status}")
        return
    content = described and api.schemas.followed(described).get("content")
    if content is None and status >= 400:
        # GitHub describes some errors in words only. Every error has a message.
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}}}
    kind = call["answer_headers"].get("content-type", "").split(";")[0]
    accept = call["headers"].get("accept", "")
    if content is None:
        if call["answer"] not in ("", None):
            fault("body", f"{status} has no body")
    elif kind == "application/json":
        schema, answer = content.get("application/json") or next(iter(content.values())), call["answer"]
        if status >= 400 and isinstance(answer, dict) and answer.get("status") == str(status):
            # GitHub repeats the status in the body of every error; only some of the schemas have it.
            answer = {key: value for key, value in answer.items() if key != "status"}
        api.schemas.check(schema["schema"], answer, "", fault)
    elif "diff" not in accept and "raw" not in accept:
        fault("Content-Type", f"{kind or 'none'} is not JSON, and `Accept` asks for nothing else")


def check_webhook(api, event, payload, fault):
    """Compares a webhook with the schema of its event and action."""
    definitions = api.webhooks["definitions"]
    name = f"{event}${payload['action']}" if "action" in payload else f"{event}$event"
    name = name if name in definitions else f"{event}_event"
    if name not in definitions:
        fault("action", f"GitHub has no webhook {event} {payload.get('action', '')}")
        return
    first = {}
    api.webhook_schemas.check({"$ref": f"#/definitions/{name}"}, payload, "", first.setdefault)
    action = f"{event}-{payload['action']}".replace("_", "-") if "action" in payload else event
    official = api.document["x-webhooks"].get(action)
    second = {}
    if official is not None:
        schema = official["post"]["requestBody"]["content"]["application/json"]["schema"]
        api.schemas.check(schema, payload, "", second.setdefault)
    # The older description lacks newer fields, and the two differ on what may be null. Whoever follows one of them is right.
    for field in first if official is None else (field for field in first if field in second):
        fault(field, first[field])
