"""Real binaries of a receiver, a consumer and a scheduled function, under ministack. See .ci/ministack.

usage: ministack_run.py <ministack> <translated template> <folder of binaries>
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

import botocore.session

import sign_samples

REGION = "eu-central-1"
STACK = "tallyhook-ci"
BUCKET = "bucket"  # where .ci/template_rules.py says the code is
SECRET = "whsec_ministack"
REAL = ["stripe-webhook", "stripe-events", "reconciliation"]
SECRETS = {
    "stripe-webhook/stripe-webhook-secrets": SECRET,
    "stripe-events/stripe-secret-key": "sk_test_ministack",
    "stripe-events/ledger-key": "a-ledger-key-that-ministack-keeps-to-itself",
    "reconciliation/ledger-key": "a-ledger-key-that-ministack-keeps-to-itself",
}
ACCOUNT = "acc_01hzy3v7q0k5d2c8b4n6m9t7ea"
CUSTOMER, SUBSCRIPTION = "cus_TallyhookDemo1", "sub_TallyhookDemo1"
PARAMETERS = {
    "GitHubAppId": "1234",
    "ModelUrl": "https://model.example.com",
    "ModelName": "none",
    "DashboardUrl": "https://dashboard.example.com/billing",
    "StripeUrl": "https://stripe.invalid",  # nothing here has to ask Stripe
}


def main():
    ministack, template, binaries = sys.argv[1:]
    for function in REAL:
        if not pathlib.Path(binaries, function).exists():
            sys.exit(f"ministack: {binaries}/{function} is missing; cargo build --workspace --bins")
    with running(ministack) as url:
        aws = Aws(url)
        names = deploy(aws, json.loads(pathlib.Path(template).read_text()), binaries, url)
        prove(aws, names)
        prove_seals(aws, names)


# ------------------------------------------------------------------------------------------------------- the stand-in AWS


@contextlib.contextmanager
def running(ministack):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    home = tempfile.mkdtemp(prefix="ministack-")
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": url,
        "MINISTACK_REGION": REGION,
        "AUTH": "true",  # roles are enforced, not just stored
        "TMPDIR": home,
    }
    log = pathlib.Path("target/ministack.log")
    with log.open("w") as out:
        process = subprocess.Popen([ministack], stdout=out, stderr=out, env=environment)
        try:
            eventually("ministack answers", lambda: answers(f"{url}/_ministack/health"))
            yield url
        except BaseException:
            print(f"ministack: its log is {log}", file=sys.stderr)
            raise
        finally:
            process.terminate()
            process.wait(20)
            shutil.rmtree(home, ignore_errors=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def eventually(what, holds, seconds=60):
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            sys.exit(f"ministack: after {seconds} s still not: {what}")
        time.sleep(0.3)


class Aws:
    """Clients of the account's root, for setting up and looking on; the functions run under their own roles."""

    def __init__(self, url):
        session = botocore.session.get_session()
        for service in ("cloudformation", "s3", "ssm", "sqs", "dynamodb", "lambda", "logs"):
            client = session.create_client(
                service, region_name=REGION, endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
            )
            setattr(self, "functions" if service == "lambda" else service, client)


# -------------------------------------------------------------------------------------------------------------- deploying


def deploy(aws, template, binaries, url):
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            properties["Architectures"] = ["x86_64"]  # what this machine runs and CI builds
            variables = properties["Environment"]["Variables"]
            variables |= {f"AWS_ENDPOINT_URL_{service}": url for service in ("DYNAMODB", "SQS", "SSM")}
        if resource["Type"] == "AWS::IAM::Role":
            # ministack judges GetParameters, unlike AWS, as if it were asked for all parameters there are.
            for statement in resource["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]:
                if statement["Action"] == "ssm:GetParameters":
                    statement["Resource"] = "*"
    aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for folder in sorted(p.parent.name for p in pathlib.Path("functions").glob("*/Cargo.toml")):
        aws.s3.put_object(Bucket=BUCKET, Key=f"functions/{folder}", Body=zipped(folder, binaries))
    for name, value in SECRETS.items():
        aws.ssm.put_parameter(Name=f"/tallyhook/dev/{name}", Type="SecureString", Value=value)
    aws.s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))
    aws.cloudformation.create_stack(
        StackName=STACK,
        TemplateURL=f"{url}/{BUCKET}/template.json",
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in PARAMETERS.items()],
    )
    eventually("the stack is complete", lambda: complete(aws), 120)
    names, pages = {}, aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    for page in pages:
        names |= {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in page["StackResourceSummaries"]}
    # An unreadable message stays invisible for its queue's full visibility each time; the template's would take half
    # an hour. Everything else is as deployed.
    aws.sqs.set_queue_attributes(QueueUrl=names["StripeEventsQueue"], Attributes={"VisibilityTimeout": "1"})
    return names


def complete(aws):
    stack = aws.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
    if "FAILED" in stack["StackStatus"] or "ROLLBACK" in stack["StackStatus"]:
        events = aws.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        reasons = [f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if "FAILED" in e["ResourceStatus"]]
        sys.exit("ministack: the template does not deploy\n" + "\n".join(reasons))
    return stack["StackStatus"] == "CREATE_COMPLETE"


def zipped(function, binaries):
    """The function's real binary, or for functions that are not tested one that exits at once."""
    code = pathlib.Path(binaries, function).read_bytes() if function in REAL else b"#!/bin/sh\nexit 1\n"
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = (stat.S_IFREG | 0o755) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, code)
    return out.getvalue()


# ----------------------------------------------------------------------------------------------------------------- proving


def prove(aws, names):
    queue, dlq = names["StripeEventsQueue"], names["StripeEventsDlq"]
    mapping = names["StripeEventsStripeEvents"]

    # The customer's account, where the consumer finds it and records the subscription.
    whose = {"pk": {"S": f"CUSTOMER#{CUSTOMER}"}, "sk": {"S": "ACCOUNT"}, "account": {"S": ACCOUNT}}
    aws.dynamodb.put_item(TableName=names["MainTable"], Item=whose)
    account = {
        "pk": {"S": f"ACCOUNT#{ACCOUNT}"},
        "sk": {"S": "PROFILE"},
        "customer": {"S": CUSTOMER},
        "plan": {"S": "payg"},
        "created_at": {"N": "1763629200000"},
    }
    aws.dynamodb.put_item(TableName=names["MainTable"], Item=account)

    # Received under the receiver's role: put, queue, answer. The consumer is held back, so the following messages reach it
    # in one batch.
    aws.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    ids = [f"evt_Ministack{n}" for n in range(1, 5)]
    for id in ids:
        status = deliver(aws, names["StripeWebhook"], id)
        assert status == 202, f"stripe-webhook answered {status} to a signed event"
    assert deliver(aws, names["StripeWebhook"], "evt_Forged", secret="whsec_other") == 401, "a forged event is refused"
    assert row(aws, names, "evt_Forged") is None, "nothing is written for a forged event"
    assert not any(processed(aws, names, id) for id in ids), "nobody acted yet"

    # One unreadable message among the good ones.
    poison = '{"v":999,"kind":"stripe","key":"evt_Ministack1"}'
    aws.sqs.send_message(QueueUrl=queue, MessageBody=poison)
    aws.functions.update_event_source_mapping(UUID=mapping, Enabled=True)

    eventually("every good event is processed", lambda: all(processed(aws, names, id) for id in ids))
    eventually("the unreadable message is a dead letter", lambda: waiting(aws, dlq) == 1, 180)
    eventually("nothing else is left", lambda: waiting(aws, queue) == 0)
    dead = aws.sqs.receive_message(QueueUrl=dlq, WaitTimeSeconds=1)["Messages"]
    assert [message["Body"] for message in dead] == [poison], f"the wrong message is dead: {dead}"

    # The unreadable message returned repeatedly; the good ones of its batch did not.
    lines = handled(aws)
    assert sorted(lines) == ids, f"handled once each: {sorted(lines)}"
    noted = item(aws, names["MainTable"], f"ACCOUNT#{ACCOUNT}", f"SUBSCRIPTION#{SUBSCRIPTION}")
    assert noted and noted["status"]["S"] == "active", f"the subscription is noted on its account: {noted}"

    # The same event again, after it is processed: accepted, without a second effect.
    assert deliver(aws, names["StripeWebhook"], ids[0]) == 202, "a duplicate is welcome"
    before = row(aws, names, ids[0])
    eventually("nothing is left of the duplicate", lambda: waiting(aws, queue) == 0)
    assert row(aws, names, ids[0]) == before, "a duplicate changes nothing"
    print(f"ministack: {len(ids)} events received and processed by the real binaries under their roles, 1 dead letter")


def prove_seals(aws, names):
    """The nightly run: it finds yesterday's entries in every shard of their index and seals the day once."""
    table = names["LedgerTable"]
    yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 24 * 3600 - 3600))
    for n in range(8):
        entry = {
            "pk": {"S": f"ACCOUNT#{ACCOUNT}"},
            "sk": {"S": f"ENTRY#ADJUSTMENT#act_ministack{n}"},
            "day": {"S": f"{yesterday}#{n}"},
            "owner": {"S": ACCOUNT},
            "at": {"N": str(int(time.time() * 1000))},
            "digest": {"N": str(10**n)},
        }
        aws.dynamodb.put_item(TableName=table, Item=entry)
    first, second = night(aws, names), night(aws, names)
    assert first == {"days": 1, "expired": 0, "faults": 0}, f"the night seals yesterday: {first}"
    assert second == {"days": 0, "expired": 0, "faults": 0}, f"and does not seal it again: {second}"
    seal = item(aws, table, "SEALS", f"SEAL#{yesterday}")
    assert seal and (seal["entries"]["N"], seal["digest_sum"]["N"]) == ("8", "11111111"), f"the seal: {seal}"
    print("ministack: a day's 8 entries sealed by the real binary under its role, once")


def night(aws, names):
    event = (sign_samples.EVENTS / "schedule/reconciliation.json").read_bytes()
    answer = aws.functions.invoke(FunctionName=names["Reconciliation"], Payload=event)
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload


def handled(aws):
    """The keys in the consumer's log lines that say a message was handled."""
    group = f"/tallyhook/{STACK}/stripe-events"
    pages = aws.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    found = [json.loads(line) for line in lines if line.startswith("{") and '"handled"' in line]
    return [line["message.key"] for line in found]


def deliver(aws, function, id, secret=SECRET):
    event = json.loads((sign_samples.EVENTS / "stripe/customer.subscription.created.json").read_text())
    body = json.dumps(event | {"id": id})
    sample = json.loads((sign_samples.EVENTS / "api/stripe-webhook.json").read_text())
    request = sign_samples.carry(sample, body, sign_samples.stripe(body, int(time.time()), secret))
    answer = aws.functions.invoke(FunctionName=function, Payload=json.dumps(request).encode())
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload["statusCode"]


def row(aws, names, id):
    return item(aws, names["EventsTable"], f"EVENT#stripe#{id}", "HEAD")


def item(aws, table, pk, sk):
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    return aws.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")


def processed(aws, names, id):
    found = row(aws, names, id)
    return found is not None and found["sx"]["S"].startswith("stripe#processed#")


def waiting(aws, queue):
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=wanted)["Attributes"]
    return sum(int(attributes[name]) for name in wanted)


if __name__ == "__main__":
    main()
