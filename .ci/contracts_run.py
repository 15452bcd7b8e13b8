"""Compares what went over the stand-ins' HTTP in the tests with the vendors' own descriptions of their APIs."""

import collections
import functools
import json
import pathlib
import re
import sys

import contracts_github
import contracts_presence
import contracts_probes
import contracts_stripe

RECORDS, SDK, NODE, OPENAPI, WEBHOOKS = (pathlib.Path(path) for path in sys.argv[1:])


class Findings:
    """Violations by what is violated, each with how often and where it was seen first."""

    def __init__(self):
        self.found = collections.OrderedDict()

    def add(self, where, line, side, field, reason):
        # `items.data[3].price` and `items.data[4].price` are one finding.
        field = re.sub(r"\[\d+\]", "[]", field)
        seen = self.found.setdefault((where, side, field, reason), [0, line])
        seen[0] += 1

    def report(self):
        for (where, side, field, reason), (times, line) in self.found.items():
            print(f"  {where}: {side}{' ' if field else ''}{field}: {reason} ({times}×, first at {line})")

    def count(self, counts):
        return sum(1 for _, side, _, _ in self.found if counts(side))


def samples():
    """The sample events of the repository, which the tests deliver as well."""
    for file in sorted(pathlib.Path("events").glob("*/*.json")):
        if file.parent.name in ("github", "stripe"):
            name = file.name.split(".")[0] if file.parent.name == "github" else "event"
            yield str(file), {"vendor": file.parent.name, "webhook": name, "payload": json.loads(file.read_text())}


def recorded():
    for file in sorted(RECORDS.glob("*.jsonl")):
        for number, line in enumerate(file.open(encoding="utf-8"), 1):
            yield f"{file}:{number}", json.loads(line)


def main():
    presence = contracts_presence.Presence(NODE)
    sdk = contracts_stripe.Sdk(SDK, presence)
    if sdk.version != presence.version:
        print(f"contracts: Stripe's two SDKs describe two versions, {sdk.version} and {presence.version}")
        return 1
    api = contracts_github.Api(OPENAPI, WEBHOOKS)
    if wrong := contracts_probes.check(sdk, api):
        print("contracts: wrong calls are not found:", *wrong, sep="\n  ")
        return 1
    findings, endpoints = Findings(), collections.defaultdict(set)
    requests, webhooks = collections.Counter(), collections.Counter()
    for place, record in (*recorded(), *samples()):
        vendor = record["vendor"]
        if "webhook" in record:
            webhooks[vendor] += 1
            payload = record["payload"]
            name = payload.get("type") if vendor == "stripe" else f"{record['webhook']} {payload.get('action', '')}".strip()
            fault = functools.partial(findings.add, f"{vendor} webhook {name}", place, "payload")
            if vendor == "stripe":
                contracts_stripe.check_event(sdk, payload, fault)
            else:
                contracts_github.check_webhook(api, record["webhook"], payload, fault)
            continue
        requests[vendor] += 1
        faults = []
        fault = lambda *found: faults.append(found)
        if vendor == "stripe":
            endpoint = contracts_stripe.check_request(sdk, record, fault)
        else:
            endpoint = contracts_github.check_request(api, record, fault)
        endpoints[vendor].add(endpoint)
        for side, field, reason in faults:
            where = endpoint or f"{record['method']} {record['path']}"
            findings.add(f"{vendor} {where}", place, f"{record['status']} {side}" if side == "answer" else side, field, reason)
    if not requests:
        print(f"contracts: {RECORDS} has no records; run CONTRACTS_FOLDER={RECORDS.resolve()} cargo test first")
        return 1
    findings.report()
    asked = findings.count(lambda side: side == "request")
    told = findings.count(lambda side: side != "request")
    for vendor in sorted(requests):
        counts = f"{requests[vendor]} different requests to {len(endpoints[vendor])} endpoints"
        print(f"contracts: {vendor}: {counts}, {webhooks[vendor]} different webhooks")
    print(f"contracts: {asked} violations in requests, {told} in what the stand-ins say")
    return 1 if asked or told else 0


sys.exit(main())
