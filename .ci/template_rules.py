"""What neither cfn-lint nor `sam validate` sees, asserted on the template as CloudFormation gets it.

usage: template_rules.py <template.yaml> <translated.json>

Writes the translated template, prints one line per fault, and fails if there is one. Then it breaks the template on
purpose, one way at a time, and fails if a rule does not notice: a rule that cannot fail proves nothing.
"""

import copy
import json
import logging
import pathlib
import sys

import boto3
from samtranslator.internal.schema_source import aws_serverless_function, aws_serverless_httpapi
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

LAMBDA_PAYLOAD_BYTES = 6 * 1024 * 1024
GATEWAY_SECONDS = 30
GITHUB_SECONDS = 10
FOURTEEN_DAYS = 14 * 24 * 3600

MODELS = {
    "AWS::Serverless::Function": aws_serverless_function.Resource,
    "AWS::Serverless::HttpApi": aws_serverless_httpapi.Resource,
}
EVENTS = {
    "SQS": aws_serverless_function.SQSEvent,
    "HttpApi": aws_serverless_function.HttpApiEvent,
    "Schedule": aws_serverless_function.ScheduleEvent,
}


def load(path):
    return yaml_parse(pathlib.Path(path).read_text())


def translate(source):
    source = copy.deepcopy(source)
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/" + resource["Properties"]["CodeUri"]
    # No role is generated, so no managed policy is ever looked up.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="eu-central-1"))
    values = {"AWS::Region": "eu-central-1", "AWS::Partition": "aws"}
    return translator.translate(source, values)


def refused_by_sam(source):
    """SAM's own models: which properties there are, and of which type. Translation checks the names alone."""
    for name, resource in source["Resources"].items():
        if resource["Type"] in MODELS:
            yield from refused(MODELS[resource["Type"]], name, resource)
        for event, spec in resource.get("Properties", {}).get("Events", {}).items():
            yield from refused(EVENTS[spec["Type"]], f"{name}.{event}", spec)


def refused(model, name, value):
    try:
        model.parse_obj(value)
    except ValueError as error:
        # A mistake in an event shows in the function as one complaint per kind of event there is; the event's own
        # model says it once.
        for e in error.errors():
            if "Events" not in e["loc"]:
                yield f"{name}: {'.'.join(map(str, e['loc']))}: {e['msg']}"


class Stack:
    def __init__(self, template):
        self.resources = template["Resources"]

    def of(self, kind):
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    def target(self, reference):
        """The logical id behind a Ref or a GetAtt."""
        if "Ref" in reference:
            return reference["Ref"]
        attribute = reference["Fn::GetAtt"]
        return attribute[0] if isinstance(attribute, list) else attribute.split(".")[0]


def listed(value):
    return value if isinstance(value, list) else [value]


def mappings(stack):
    functions, queues = stack.of("AWS::Lambda::Function"), stack.of("AWS::SQS::Queue")
    concurrency = {}
    for name, mapping in stack.of("AWS::Lambda::EventSourceMapping").items():
        function = stack.target(mapping["FunctionName"])
        queue = queues[stack.target(mapping["EventSourceArn"])]
        seconds, visibility = functions[function]["Timeout"], queue.get("VisibilityTimeout", 30)
        if visibility < 6 * seconds:
            yield f"{name}: visibility of {visibility} s is less than six times {function}'s {seconds} s"
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one bad message would bring back its whole batch (ReportBatchItemFailures)"
        if "MaximumConcurrency" not in mapping.get("ScalingConfig", {}):
            yield f"{name}: MaximumConcurrency is missing"
        if "BatchSize" not in mapping:
            yield f"{name}: BatchSize is missing"
        if mapping.get("BatchSize", 10) * queue.get("MaximumMessageSize", 1048576) > LAMBDA_PAYLOAD_BYTES:
            yield f"{name}: a full batch may be larger than a Lambda event"
        concurrency[function] = concurrency.get(function, 0) + mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 0)
    for function, most in concurrency.items():
        reserved = functions[function].get("ReservedConcurrentExecutions")
        if reserved is not None and reserved < most:
            yield f"{function}: reserves {reserved} but its mappings may start {most}; throttling would use up receives"


def dead_letters(stack):
    queues = stack.of("AWS::SQS::Queue")
    fed = {stack.target(m["EventSourceArn"]) for m in stack.of("AWS::Lambda::EventSourceMapping").values()}
    watched = {
        stack.target(d["Value"])
        for alarm in stack.of("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible" and alarm.get("AlarmActions")
        for d in alarm["Dimensions"]
    }
    for name in sorted(fed):
        policy = queues[name].get("RedrivePolicy")
        if not policy:
            yield f"{name}: no dead-letter queue"
            continue
        if policy["maxReceiveCount"] < 5:
            yield f"{name}: throttling may use up {policy['maxReceiveCount']} receives without any work done"
        dlq = queues[stack.target(policy["deadLetterTargetArn"])]
        if dlq["QueueName"]["Fn::Sub"] != queues[name]["QueueName"]["Fn::Sub"] + "-dlq":
            yield f"{name}: admin looks for its dead letters at its own name + -dlq"
    for name in sorted(set(queues) - fed):
        if queues[name].get("MessageRetentionPeriod") != FOURTEEN_DAYS:
            yield f"{name}: dead letters must keep for fourteen days"
        if name not in watched:
            yield f"{name}: no alarm on its depth"
    for name, queue in queues.items():
        if not queue.get("SqsManagedSseEnabled"):
            yield f"{name}: not encrypted"
    scheduled = {stack.target(t["Arn"]) for rule in stack.of("AWS::Events::Rule").values() for t in rule["Targets"]}
    caught = {stack.target(c["FunctionName"]) for c in stack.of("AWS::Lambda::EventInvokeConfig").values() if c.get("DestinationConfig", {}).get("OnFailure")}
    for name in sorted(scheduled - caught):
        yield f"{name}: a failed scheduled run leaves no trace (EventInvokeConfig.DestinationConfig.OnFailure)"


def roles(stack):
    used = {}
    for name, function in stack.of("AWS::Lambda::Function").items():
        used.setdefault(stack.target(function["Role"]), []).append(name)
    for role, properties in stack.of("AWS::IAM::Role").items():
        if len(used.get(role, [])) != 1:
            yield f"{role}: must be the role of exactly one function, is of {used.get(role, [])}"
        if properties.get("ManagedPolicyArns"):
            yield f"{role}: managed policies allow more than its function does"
        if "PermissionsBoundary" not in properties:
            yield f"{role}: takes no permissions boundary"
        for statement in (s for p in properties["Policies"] for s in p["PolicyDocument"]["Statement"]):
            stars = [a for a in listed(statement["Action"]) if "*" in a]
            stars += [r for r in listed(statement["Resource"]) if "*" in json.dumps(r)]
            if stars:
                yield f"{role}: a wildcard, {stars}"
    for role in sorted(set(used) - set(stack.of("AWS::IAM::Role"))):
        yield f"{used[role]}: role {role} is not written out in the template"


def doors(stack):
    functions = stack.of("AWS::Lambda::Function")
    folders = {p.parent.name for p in pathlib.Path("functions").glob("*/Cargo.toml")}
    names = {"".join(word.capitalize() for word in folder.split("-")) for folder in folders}
    for name in sorted(names ^ set(functions)):
        yield f"{name}: " + ("a folder without a function" if name in names else "a function without a folder")
    for name, function in functions.items():
        if function.get("RecursiveLoop") not in ("Allow", "Terminate"):
            yield f"{name}: RecursiveLoop is not decided"
        if "LogGroup" not in function.get("LoggingConfig", {}):
            yield f"{name}: logs where nothing expires"
        for variable, value in function["Environment"]["Variables"].items():
            # Stripe's publishable key is meant for browsers.
            secret = variable.endswith(("_SECRETS", "_KEY", "_TOKEN")) and variable != "STRIPE_PUBLISHABLE_KEY"
            if secret and not json.dumps(value).startswith('{"Fn::Sub": "ssm:/tallyhook/'):
                yield f"{name}: {variable} must be a reference to a secret, not the secret"
    behind_gateway = {
        stack.target(p["FunctionName"])
        for p in stack.of("AWS::Lambda::Permission").values()
        if p["Principal"] == "apigateway.amazonaws.com"
    }
    for name in sorted(behind_gateway):
        limit = GITHUB_SECONDS if name.endswith("Webhook") else GATEWAY_SECONDS
        if functions[name]["Timeout"] >= limit:
            yield f"{name}: callers leave after {limit} s, but it can run {functions[name]['Timeout']} s"


def tables(stack):
    for name, table in stack.of("AWS::DynamoDB::Table").items():
        whole = stack.resources[name]
        kept = (whole.get("DeletionPolicy"), whole.get("UpdateReplacePolicy"), table.get("DeletionProtectionEnabled"))
        if kept != ("Retain", "Retain", True):
            yield f"{name}: would go with the stack {kept}"
        if not table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
            yield f"{name}: cannot be restored to a point in time"
        if not table.get("SSESpecification", {}).get("SSEEnabled"):
            yield f"{name}: not encrypted"
        expires = table.get("TimeToLiveSpecification", {}).get("Enabled", False)
        if name == "LedgerTable" and expires:
            yield f"{name}: a put with a past ttl would delete an entry"
        if name != "LedgerTable" and not expires:
            yield f"{name}: nothing ever expires"
        if "TableName" in table or "LocalSecondaryIndexes" in table:
            yield f"{name}: fixed names and local indexes cannot be undone later"


def faults(source):
    found = list(refused_by_sam(source))
    stack = Stack(translate(source))
    for rule in (mappings, dead_letters, roles, doors, tables):
        found += rule(stack)
    return found


# How to break the template: what a careless edit would do, as (path to a property, new value or None to remove it).
BREAKS = [
    ("Resources/GithubEvents/Properties/Events/GithubEvents/Properties/BatchSzie", 5),
    ("Resources/GithubEvents/Properties/Events/GithubEvents/Properties/BatchSize", "ten"),
    ("Resources/GithubEvents/Properties/Events/GithubEvents/Properties/FunctionResponseTypes", None),
    ("Resources/GithubEvents/Properties/Events/GithubEvents/Properties/ScalingConfig", None),
    ("Resources/GithubEvents/Properties/Timeout", 61),
    ("Resources/GithubEvents/Properties/ReservedConcurrentExecutions", 3),
    ("Resources/GithubEvents/Properties/RecursiveLoop", None),
    ("Resources/GithubEvents/Properties/LoggingConfig", None),
    ("Resources/GithubEvents/Properties/Role", {"Fn::GetAtt": ["StripeEventsRole", "Arn"]}),
    ("Resources/GithubEvents/Properties/Environment/Variables/GITHUB_PRIVATE_KEY", "-----BEGIN"),
    ("Resources/GithubWebhook/Properties/Timeout", 10),
    ("Resources/Sweeper/Properties/EventInvokeConfig", None),
    ("Resources/Reconciliation/Properties/EventInvokeConfig", None),
    ("Resources/Recovery/Properties/EventInvokeConfig", None),
    ("Resources/LedgerTable/DeletionPolicy", None),
    ("Resources/JobSteps/Properties/Environment/Variables/LEDGER_KEY", "a-key-in-plain-sight"),
    ("Resources/Admin/Properties/Timeout", 30),
    ("Resources/AdminRole/Properties/ManagedPolicyArns", ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"]),
    ("Resources/AdminRole/Properties/PermissionsBoundary", None),
    ("Resources/AdminRole/Properties/Policies/0/PolicyDocument/Statement/0/Action", "logs:*"),
    ("Resources/AdminRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource", "*"),
    ("Resources/PlanQueue/Properties/RedrivePolicy", None),
    ("Resources/PlanQueue/Properties/RedrivePolicy/maxReceiveCount", 3),
    ("Resources/PlanQueue/Properties/VisibilityTimeout", 900),
    ("Resources/GithubEventsQueue/Properties/MaximumMessageSize", 1048576),
    ("Resources/PlanDlq/Properties/MessageRetentionPeriod", None),
    ("Resources/PlanDlq/Properties/SqsManagedSseEnabled", None),
    ("Resources/PlanDlq/Properties/QueueName", {"Fn::Sub": "${AWS::StackName}-plan-dead"}),
    ("Resources/PlanDeadLetters", None),
    ("Resources/MainTable/DeletionPolicy", None),
    ("Resources/MainTable/Properties/PointInTimeRecoverySpecification", None),
    ("Resources/MainTable/Properties/TableName", "main"),
    ("Resources/MainTable/Properties/TimeToLiveSpecification", None),
    ("Resources/LedgerTable/Properties/TimeToLiveSpecification", {"AttributeName": "ttl", "Enabled": True}),
    ("Resources/UsageReports", None),
]


def broken(source, path, value):
    source = copy.deepcopy(source)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    place = source
    for step in way:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return source


def notices(source, path, value):
    try:
        return bool(faults(broken(source, path, value)))
    except InvalidDocumentException:  # SAM itself noticed
        return True


def main():
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    template, translated = sys.argv[1:]
    source = load(template)
    found = faults(source)
    for fault in found:
        print("template:", fault, file=sys.stderr)
    pathlib.Path(translated).write_text(json.dumps(translate(source), indent=1))
    asleep = [] if found else [path for path, value in BREAKS if not notices(source, path, value)]
    for path in asleep:
        print("template rules: no rule notices a change of", path, file=sys.stderr)
    print(f"template rules: {len(found)} faults, {len(BREAKS)} ways to break it tried, {len(asleep)} unnoticed")
    sys.exit(bool(found or asleep))


if __name__ == "__main__":
    main()
