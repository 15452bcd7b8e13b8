"""Calls that are wrong on purpose. Each must be found, or the check finds nothing."""

import copy

import contracts_github
import contracts_stripe


def stripe(method, path, body="", query="", answer=None, status=200, version=None):
    return {
        "method": method,
        "path": path,
        "query": query,
        "body": body,
        "headers": {"stripe-version": version},
        "status": status,
        "answer": answer or {"error": {"type": "invalid_request_error", "message": "no"}},
    }


def github(method, path, body="", query="", answer="", status=404):
    return {
        "method": method,
        "path": path,
        "query": query,
        "body": body,
        "headers": {"x-github-api-version": contracts_github.VERSION, "accept": "application/vnd.github+json"},
        "status": status,
        "answer_headers": {"content-type": "application/json"},
        "answer": answer or {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"},
    }


METER = {
    "object": "billing.meter_event",
    "created": 1,
    "event_name": "jobs",
    "identifier": "x",
    "livemode": False,
    "payload": {"value": "1"},
    "timestamp": 1,
}
DESTINATION = {
    "name": "x",
    "type": "webhook_endpoint",
    "event_payload": "thin",
    "enabled_events": ["v1.billing.meter.no_meter_found"],
    "webhook_endpoint": {"url": "https://x.test"},
}
WITHOUT_URL = {"id": 1, "node_id": "L", "name": "a", "description": None, "color": "ededed", "default": False}
LABEL = WITHOUT_URL | {"url": "https://x.test"}
ENTERPRISE = {
    "id": 1,
    "node_id": "E",
    "name": "a",
    "slug": "a",
    "html_url": "https://x.test",
    "avatar_url": "https://x.test",
    "created_at": None,
    "updated_at": None,
}
APP = {
    "id": 1,
    "node_id": "A",
    "owner": ENTERPRISE,
    "name": "a",
    "description": None,
    "external_url": "https://x.test",
    "html_url": "https://x.test",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "permissions": {},
    "events": [],
    "client_id": "c",
    "client_secret": "s",
    "webhook_secret": None,
}

# A call and the fields that are wrong in it.
STRIPE = [
    (stripe("POST", "/v1/customers", "name=x", status=400), []),
    (stripe("POST", "/v1/customers", "first_name=x", status=400), ["first_name"]),
    (stripe("POST", "/v1/customers", "address[city]=x&address[town]=x", status=400), ["address[town]"]),
    (stripe("POST", "/v1/customers", "balance=much", status=400), ["balance"]),
    (stripe("POST", "/v1/customers", "metadata[a]=b&tax[validate_location]=someday", status=400), ["tax[validate_location]"]),
    (stripe("POST", "/v1/billing/meter_events", "event_name=jobs", status=400), ["payload"]),
    (stripe("POST", "/v1/subscriptions", "customer=c&items[0][price]=p&items[0][count]=1", status=400), ["items[0][count]"]),
    (stripe("POST", "/v1/usage_records", status=404), [""]),
    (stripe("GET", "/v1/customers/x", version="2024-06-20", status=404), ["Stripe-Version"]),
    (stripe("POST", "/v2/core/event_destinations", DESTINATION, status=400), []),
    (stripe("POST", "/v2/core/event_destinations", DESTINATION | {"enabled_events": "all"}, status=400), ["enabled_events"]),
    (stripe("POST", "/v2/core/event_destinations", DESTINATION | {"type": "pager"}, status=400), ["type"]),
    (stripe("POST", "/v1/billing/meter_events", "event_name=a&payload[value]=1", answer=METER), []),
    (stripe("POST", "/v1/billing/meter_events", "event_name=a&payload[value]=1", answer=METER | {"created": "1"}), ["created"]),
    (stripe("POST", "/v1/billing/meter_events", "event_name=a&payload[value]=1", answer=METER | {"value": 1}), ["value"]),
    (stripe("POST", "/v1/billing/meter_events", "event_name=a&payload[value]=1", answer={"object": "billing.meter_event"}), [
        "created", "event_name", "identifier", "livemode", "payload", "timestamp"
    ]),
]
GITHUB = [
    (github("POST", "/repos/a/b/issues/1/comments", {"body": "x"}), []),
    (github("POST", "/repos/a/b/issues/1/comments", {"text": "x"}), ["body", "text"]),
    (github("POST", "/repos/a/b/issues/1/comments", {"body": 1}), ["body"]),
    (github("GET", "/repos/a/b/pulls", query="state=opened&per_page=many"), ["per_page", "state"]),
    (github("GET", "/repos/a/b/pulls", query="page_size=1"), ["page_size"]),
    (github("GET", "/repos/a/b/pull"), [""]),
    (github("GET", "/repos/a/b/git/ref/heads/one/two"), []),
    (github("GET", "/repos/a/b/issues/1/labels", answer=[LABEL], status=200), []),
    (github("GET", "/repos/a/b/issues/1/labels", answer=[LABEL | {"hue": 1}], status=200), ["[0].hue"]),
    (github("GET", "/repos/a/b/issues/1/labels", answer=[WITHOUT_URL], status=200), ["[0].url"]),
    (github("GET", "/repos/a/b/issues/1/labels", answer=[LABEL], status=206), ["status"]),
    # The answer is an App and its secrets: two schemas, neither of which has the other's names.
    (github("POST", "/app-manifests/x/conversions", answer=APP | {"pem": "p"}, status=201), []),
    (github("POST", "/app-manifests/x/conversions", answer=APP, status=201), ["pem"]),
]


def check(sdk, api):
    """The probes whose faults are not the expected ones."""
    wrong = []
    for check_request, probes in ((lambda call, fault: contracts_stripe.check_request(sdk, call, fault), STRIPE),
                          (lambda call, fault: contracts_github.check_request(api, call, fault), GITHUB)):
        for call, expected in probes:
            call = copy.deepcopy(call)
            if call["headers"].get("stripe-version", "") is None:
                call["headers"]["stripe-version"] = sdk.version
            found = set()
            check_request(call, lambda side, field, reason: found.add(field))
            if not (found >= set(expected) and bool(found) == bool(expected)):
                wrong.append(f"{call['method']} {call['path']}: expected {expected}, found {sorted(found)}")
    return wrong
