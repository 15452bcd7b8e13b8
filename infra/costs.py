#!/usr/bin/env python3
"""What Tallyhook costs on AWS, from figures of this repository and AWS's list prices.

usage: python3 infra/costs.py            prints the tables
       python3 infra/costs.py --write    writes them into docs/costs.md
       python3 infra/costs.py --check    fails if docs/costs.md says something else; .ci/tools runs this

Measured figures come from docs/figures.md, sizes and counts from template.yaml, models' prices from catalogue.toml, so a
change there changes the tables. What nobody has measured is in ASSUMED and marked as such in each table. Free tiers are not
subtracted.
"""

import math
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "costs.md"
BEGIN, END = "<!-- begin: infra/costs.py -->", "<!-- end: infra/costs.py -->"

# AWS's public list prices in us-east-1, in dollars. They are typed in and were not compared with the pages on this day:
# check them there before you rely on a figure, and whenever AWS announces a change.
PRICES_TYPED_ON = "2026-11-30"
PRICES = {
    "gateway_request": (1.00e-6, "HTTP API, a request of at most 512 KB", "https://aws.amazon.com/api-gateway/pricing/"),
    "lambda_request": (0.20e-6, "Lambda, a request", "https://aws.amazon.com/lambda/pricing/"),
    "lambda_gb_second": (13.3334e-6, "Lambda on arm64, a GB-second", "https://aws.amazon.com/lambda/pricing/"),
    "write_unit": (0.625e-6, "DynamoDB on demand, a write unit", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "read_unit": (0.125e-6, "DynamoDB on demand, a read unit", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "table_gb_month": (0.25, "DynamoDB, storage of a GB for a month", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "recovery_gb_month": (0.20, "DynamoDB, point-in-time recovery of a GB for a month", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "queue_request": (0.40e-6, "SQS standard queue, a request", "https://aws.amazon.com/sqs/pricing/"),
    "log_gb": (0.50, "CloudWatch, a GB of logs taken in", "https://aws.amazon.com/cloudwatch/pricing/"),
    "alarm_month": (0.10, "CloudWatch, an alarm for a month", "https://aws.amazon.com/cloudwatch/pricing/"),
    "metric_month": (0.30, "CloudWatch, a custom metric for a month", "https://aws.amazon.com/cloudwatch/pricing/"),
    "key_request": (3.00e-6, "KMS, a request", "https://aws.amazon.com/kms/pricing/"),
}

# Nobody has measured these. They are meant to be too high rather than too low.
ASSUMED = {
    "event_reads": (2, "read units to load an event"),
    "event_seconds": (0.05, "seconds of github-events for an event that starts nothing"),
    "event_log_kb": (1.6, "KB of log lines for a webhook, of two functions and the gateway"),
    "units_per_call": (4, "write units of a store call of a job: each as if it were a transaction of two items"),
    "model_seconds": (120, "seconds of job-steps for a job, nearly all of them waiting for the model"),
    "job_runs": (12, "runs of functions for a job"),
    "job_seconds": (12, "seconds of the other functions for a job, nearly all of them waiting for GitHub"),
    "job_log_kb": (20, "KB of log lines for a job"),
    "tokens_read": (30_000, "tokens that a job's models read"),
    "tokens_written": (6_000, "tokens that a job's models write"),
    "event_kb": (3, "KB of an event in the table and its index; it stays for 90 days"),
    "job_kb": (60, "KB of a job with its steps; it is never deleted, and a year of jobs is counted"),
    "sweep_seconds": (0.2, "seconds of a sweep that finds nothing"),
    "recovery_seconds": (2, "seconds of a recovery run that finds nothing, nearly all of them waiting for GitHub and Stripe"),
    "sweep_reads": (16, "read units of a sweep that finds nothing: half a unit for each of its queries"),
    "pollers": (5, "pollers that Lambda keeps for a queue"),
    "poll_seconds": (20, "seconds of a poll that finds nothing"),
    "key_seconds": (300, "seconds for which DynamoDB keeps a table's key for a caller"),
}

# What an account does in a month. The second fits the plan `teams`.
ACCOUNTS = [("a small one", 500, 5), ("a team", 20_000, 60)]

MINUTES_OF_MONTH = 365 * 24 * 60 / 12
KB_OF_GB = 1024 * 1024
# Lambda gives a function this share of a vCPU for each MB.
MB_OF_VCPU = 1769


def price(name):
    return PRICES[name][0]


def assumed(name):
    return ASSUMED[name][0]


def fail(text):
    sys.exit(f"costs: {text}")


def figure(label):
    """The first number in the line of docs/figures.md that begins with this label."""
    for line in (ROOT / "docs" / "figures.md").read_text().splitlines():
        if line.startswith(f"| {label} |"):
            return float(re.search(r"[\d.]+", line.split("|")[2]).group())
    fail(f"docs/figures.md has no line `{label}`; it was renamed, so change its name here too")


def template():
    """What template.yaml says about sizes and counts."""
    text = (ROOT / "template.yaml").read_text()

    def memory(function):
        body = re.search(rf"^  {function}:\n(.*?)(?=^  \w)", text, re.S | re.M).group(1)
        own = re.search(r"^      MemorySize: (\d+)", body, re.M) or re.search(r"^    MemorySize: (\d+)", text, re.M)
        return int(own.group(1))

    return {
        "alarms": text.count("Type: AWS::CloudWatch::Alarm"),
        "metrics": len(set(re.findall(r"MetricNamespace: !Ref AWS::StackName, MetricName: (\w+)", text))),
        "mappings": len(re.findall(r"^ +Type: SQS$", text, re.M)),
        "receiver_mb": memory("GithubWebhook"),
        "events_mb": memory("GithubEvents"),
        "steps_mb": memory("JobSteps"),
        "sweeper_mb": memory("Sweeper"),
        "recovery_mb": memory("Recovery"),
    }


def gb_seconds(seconds, megabytes):
    return seconds * megabytes / 1024 * price("lambda_gb_second")


def logs(kilobytes):
    return kilobytes / KB_OF_GB * price("log_gb")


def webhook(found):
    """The lines of one webhook: recorded, queued and acted on."""
    # The bench lets DynamoDB and SQS take 3 ms and 5 ms. A small function gets a share of a CPU, so it computes longer.
    waiting = 3 + 5 + figure("overhead per webhook, p50, DynamoDB takes 3 ms and SQS 5 ms")
    computing = figure("CPU per webhook, DynamoDB takes 3 ms and SQS 5 ms") * MB_OF_VCPU / found["receiver_mb"]
    billed = math.ceil(max(waiting, computing))
    units = figure("write units of an event's whole life (put, index, finish), the same")
    return [
        ("the gateway", "1 request", price("gateway_request")),
        ("the receiver", f"1 request, {billed} ms at {found['receiver_mb']} MB", price("lambda_request") + gb_seconds(billed / 1000, found["receiver_mb"])),
        ("writes: put, index, finish", f"{units:g} write units", units * price("write_unit")),
        ("reads", f"{assumed('event_reads')} read units (assumed)", assumed("event_reads") * price("read_unit")),
        ("the queue: send, receive, delete", "3 requests, without batches", 3 * price("queue_request")),
        ("the function that acts", f"1 request, {assumed('event_seconds') * 1000:g} ms at {found['events_mb']} MB (assumed)", price("lambda_request") + gb_seconds(assumed("event_seconds"), found["events_mb"])),
        ("logs", f"{assumed('event_log_kb'):g} KB (assumed)", logs(assumed("event_log_kb"))),
    ]


def job(found):
    """The lines of one job, from its order to its reported usage, without its webhooks and the model."""
    calls, runs = figure("store calls per job"), assumed("job_runs")
    return [
        ("the store", f"{calls:g} calls, {assumed('units_per_call')} write units each (assumed)", calls * assumed("units_per_call") * price("write_unit")),
        ("functions that wait for the model", f"{assumed('model_seconds')} s at {found['steps_mb']} MB (assumed)", gb_seconds(assumed("model_seconds"), found["steps_mb"])),
        ("the other functions", f"{runs} requests, {assumed('job_seconds')} s at {found['events_mb']} MB (assumed)", runs * price("lambda_request") + gb_seconds(assumed("job_seconds"), found["events_mb"])),
        ("queues", f"{3 * runs} requests (assumed)", 3 * runs * price("queue_request")),
        ("logs", f"{assumed('job_log_kb')} KB (assumed)", logs(assumed("job_log_kb"))),
    ]


def idle(found):
    """The lines of a month in which nothing happens."""
    runs = MINUTES_OF_MONTH
    polls = found["mappings"] * assumed("pollers") * MINUTES_OF_MONTH * 60 / assumed("poll_seconds")
    keys = 2 * MINUTES_OF_MONTH * 60 / assumed("key_seconds")
    return [
        ("alarms", f"{found['alarms']}", found["alarms"] * price("alarm_month")),
        ("custom metrics", f"{found['metrics']}, in every hour", found["metrics"] * price("metric_month")),
        ("polls of empty queues", f"{found['mappings']} queues, {assumed('pollers')} pollers each, {assumed('poll_seconds')} s a poll (assumed)", polls * price("queue_request")),
        ("the sweeper", f"every minute {assumed('sweep_seconds')} s at {found['sweeper_mb']} MB (assumed)", runs * (price("lambda_request") + gb_seconds(assumed("sweep_seconds"), found["sweeper_mb"]))),
        ("recovery", f"every five minutes {assumed('recovery_seconds')} s at {found['recovery_mb']} MB (assumed)", runs / 5 * (price("lambda_request") + gb_seconds(assumed("recovery_seconds"), found["recovery_mb"]))),
        ("its reads", f"{assumed('sweep_reads')} read units a minute (assumed)", runs * assumed("sweep_reads") * price("read_unit")),
        ("its tables' keys", f"{keys:,.0f} requests to KMS (assumed)", keys * price("key_request")),
        ("its logs", f"{assumed('event_log_kb'):g} KB a minute (assumed)", runs * logs(assumed("event_log_kb"))),
    ]


def total(lines):
    return sum(cost for _, _, cost in lines)


def dollars(value, places):
    return f"{value:,.{places}f}"


def table(head, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def itemized(lines, unit, scale, places):
    rows = [[name, what, dollars(cost * scale, places)] for name, what, cost in lines]
    rows.append(["**total**", "", f"**{dollars(total(lines) * scale, places)}**"])
    return table(["line", "what", unit], rows)


def accounts(each_webhook, each_job):
    rows = []
    for name, webhooks, jobs in ACCOUNTS:
        kept = (3 * webhooks * assumed("event_kb") + 12 * jobs * assumed("job_kb")) / KB_OF_GB
        storage = kept * (price("table_gb_month") + price("recovery_gb_month"))
        parts = [webhooks * each_webhook, jobs * each_job, storage]
        rows.append([name, f"{webhooks:,}", f"{jobs}", *[dollars(part, 3) for part in parts], f"**{dollars(sum(parts), 2)}**"])
    return table(["account", "webhooks", "jobs", "$ webhooks", "$ jobs", "$ storage", "$ a month"], rows)


def models():
    rows = []
    for model in tomllib.loads((ROOT / "catalogue.toml").read_text())["model"]:
        if model["model"].startswith("stand-in"):
            continue
        read, written = float(model["input_cost_per_1k"]), float(model["output_cost_per_1k"])
        cost = (assumed("tokens_read") * read + assumed("tokens_written") * written) / 1000
        rows.append([model["model"], dollars(read * 1000, 2), dollars(written * 1000, 2), dollars(cost, 3)])
    return table(["model", "$ per million read", "$ per million written", "$ per job (assumed)"], rows)


def number(value):
    return f"{value * 1_000_000:g} per million" if value < 0.01 else f"{value:g}"


def tables():
    found = template()
    lines, each = webhook(found), job(found)
    month = idle(found)
    summary = table(
        ["", "$"],
        [
            ["a million webhooks, recorded and acted on", dollars(total(lines) * 1_000_000, 2)],
            ["a job, without its model", dollars(total(each), 4)],
            ["an installation in which nothing happens, a month", dollars(total(month), 2)],
        ],
    )
    return "\n\n".join(
        [
            summary,
            "## A million webhooks",
            itemized(lines, "$ per million", 1_000_000, 2),
            "## A job, without its model",
            itemized(each, "$ per 1,000", 1_000, 3),
            "## A job's model",
            models(),
            "## An account, a month",
            accounts(total(lines), total(each)),
            "## Nothing happens, a month",
            itemized(month, "$ a month", 1, 2),
            f"## The prices, typed on {PRICES_TYPED_ON}",
            table(["price", "$", "page"], [[what, number(value), f"<{page}>"] for value, what, page in PRICES.values()]),
            "## What is assumed",
            table(["what", "value"], [[what, f"{value:,}"] for value, what in ASSUMED.values()]),
        ]
    )


def main():
    made = f"{BEGIN}\n\n{tables()}\n\n{END}"
    if sys.argv[1:] not in ([], ["--write"], ["--check"]):
        fail("usage: costs.py [--write | --check]")
    if not sys.argv[1:]:
        print(made)
        return
    text = PAGE.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        fail(f"docs/costs.md must have one `{BEGIN}` and one `{END}`")
    before, rest = text.split(BEGIN)
    wanted = before + made + rest.split(END)[1]
    if sys.argv[1] == "--write":
        PAGE.write_text(wanted)
    elif text != wanted:
        fail("docs/costs.md is not what infra/costs.py computes; run `python3 infra/costs.py --write`")


if __name__ == "__main__":
    main()
