#!/usr/bin/env python3
"""Plays billing against a Stripe account in test mode: docs/stripe-test-mode.md says how to prepare it.

A customer subscribes, reports a delivered fix, and sees it counted at Stripe. On an account with test clocks, a second
customer's months pass: a renewal is paid, the next is declined, and days of grace begin.
Everything is created with new names, so it can run again. It exits with an error at the first thing that is not as expected.
"""

import argparse
import datetime
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

DAY = 24 * 3600


class Refused(Exception):
    def __init__(self, request, status, answer):
        super().__init__(f"{request.method} {request.full_url} was answered {status}: {json.dumps(answer)}")
        self.status = status


def call(method, url, token, body=None, form=False, headers=None):
    data = None
    headers = {"authorization": f"Bearer {token}", **(headers or {})}
    if body is not None:
        data = (urllib.parse.urlencode(body) if form else json.dumps(body)).encode()
        headers["content-type"] = "application/x-www-form-urlencoded" if form else "application/json"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")
        try:
            raise Refused(request, error.code, json.loads(text)) from None
        except json.JSONDecodeError:
            raise Refused(request, error.code, text) from None


class Play:
    def __init__(self, options):
        self.options = options

    def stripe(self, method, path, **body):
        # Stripe's newest version would do as well; the answers that are read here are the same in all.
        return call(method, self.options.stripe_url + path, self.options.stripe_key, body or None, form=True)

    def tallyhook(self, method, path, token, body=None):
        key = {"idempotency-key": str(uuid.uuid4())}
        return call(method, self.options.url + path, token, body, headers=key)

    def eventually(self, what, found, seconds=180):
        """Waits for webhooks. Stripe usually delivers within seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if value := found():
                print(f"  {what}")
                return value
            time.sleep(1)
        sys.exit(f"waited {seconds} s for this, in vain: {what}. Is `stripe listen` running, and its secret set?")

    def customer(self, clock=None):
        """A customer with a card and an account of Tallyhook, and the account's key."""
        extra = {"test_clock": clock} if clock else {}
        name = f"Test {uuid.uuid4().hex[:8]}"
        customer = self.stripe("POST", "/v1/customers", name=name, email="test@example.com", **extra)["id"]
        self.pays_with(customer, "pm_card_visa")
        # Nothing is installed on GitHub, so any number that is no installation's will do.
        wanted = {"stripe_customer_id": customer, "installation_id": uuid.uuid4().int % 10**12, "plan": "payg"}
        account = self.tallyhook("POST", "/api/v1/admin/accounts", self.options.operator_token, wanted)["id"]
        path = f"/api/v1/admin/accounts/{account}/api-keys"
        key = self.tallyhook("POST", path, self.options.operator_token, {"name": "test mode"})["secret"]
        print(f"{name}: customer {customer}, account {account}")
        return customer, account, key

    def pays_with(self, customer, method):
        attached = self.stripe("POST", f"/v1/payment_methods/{method}/attach", customer=customer)["id"]
        field = {"invoice_settings[default_payment_method]": attached}
        self.stripe("POST", f"/v1/customers/{customer}", **field)

    def subscribes(self, key, plan):
        self.tallyhook("POST", "/api/v1/billing/subscription", key, {"plan": plan})
        self.eventually(f"the account can use the service on {plan}", lambda: self.account(key)["can_use_service"])

    def account(self, key):
        return self.tallyhook("GET", "/api/v1/account", key)

    def invoices(self, key, status):
        listed = self.tallyhook("GET", "/api/v1/billing/invoices", key)["invoices"]
        return [invoice for invoice in listed if invoice["status"] == status]

    def usage(self):
        """A fix is counted once at Stripe, however often it is reported."""
        customer, account, key = self.customer()
        self.subscribes(key, "payg")
        report = {"phase": "mitigate", "status": "success", "repository": "acme/greeter", "fix": uuid.uuid4().hex}
        first = self.tallyhook("POST", "/api/v1/phase-data", key, report)
        again = self.tallyhook("POST", "/api/v1/phase-data", key, report)
        expect(first["billing"] == "billed" and again["billing"] == "already_billed", (first, again))
        path = f"/api/v1/admin/accounts/{account}/usage?state=reported"
        reported = lambda: self.tallyhook("GET", path, self.options.operator_token)["usage"]
        self.eventually("the fix is reported to Stripe", reported)
        expect(len(reported()) == 1, "the fix is reported more than once")
        if self.options.quick:
            return
        meters = self.stripe("GET", "/v1/billing/meters?limit=100")["data"]
        meter = next(one["id"] for one in meters if one["event_name"] == "pull_requests")
        today = int(time.time()) // DAY * DAY
        query = urllib.parse.urlencode({"customer": customer, "start_time": today - DAY, "end_time": today + DAY})
        summaries = f"/v1/billing/meters/{meter}/event_summaries?{query}"
        counted = lambda: sum(one["aggregated_value"] for one in self.stripe("GET", summaries)["data"])
        print("  Stripe's summaries can take some minutes")
        self.eventually("Stripe counts the fix", lambda: counted() >= 1, seconds=1200)
        expect(counted() == 1, "Stripe counted the fix more than once")

    def months(self):
        """A renewal is paid, the next is declined, and days of grace begin. They pass by the clock of Tallyhook's machine."""
        now = int(time.time())
        try:
            clock = self.stripe("POST", "/v1/test_helpers/test_clocks", frozen_time=now)["id"]
        except Refused as refused:
            if refused.status != 404:
                raise
            print("there are no test clocks here, so no month passes")
            return
        try:
            customer, _, key = self.customer(clock)
            self.subscribes(key, "teams")
            self.eventually("the first invoice is paid", lambda: len(self.invoices(key, "paid")) == 1)
            self.advance(clock, now + 32 * DAY)
            self.eventually("the renewal is paid", lambda: len(self.invoices(key, "paid")) == 2)
            self.pays_with(customer, "pm_card_chargeCustomerFail")
            self.advance(clock, now + 63 * DAY)
            self.eventually("the next renewal is declined", lambda: self.invoices(key, "open"))
            until = self.eventually("the account has days of grace", lambda: self.account(key)["grace_until"])
            print(f"  they end at {until}")
        finally:
            self.stripe("DELETE", f"/v1/test_helpers/test_clocks/{clock}")

    def advance(self, clock, to):
        self.stripe("POST", f"/v1/test_helpers/test_clocks/{clock}/advance", frozen_time=to)
        moment = datetime.datetime.fromtimestamp(to, datetime.timezone.utc)
        ready = lambda: self.stripe("GET", f"/v1/test_helpers/test_clocks/{clock}")["status"] == "ready"
        self.eventually(f"Stripe's clock says {moment:%Y-%m-%d}", ready, seconds=600)


def expect(holds, said):
    if not holds:
        sys.exit(f"this is not as expected: {said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8420", help="where Tallyhook serves (default: %(default)s)")
    parser.add_argument("--stripe-url", default="https://api.stripe.com", help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="do not wait for Stripe's summaries, which take minutes")
    options = parser.parse_args()
    options.stripe_key = os.environ.get("STRIPE_SECRET_KEY", "")
    options.operator_token = os.environ.get("OPERATOR_TOKEN", "").rpartition(":")[2]
    if not options.stripe_key.startswith(("sk_test_", "rk_test_")):
        sys.exit("Set STRIPE_SECRET_KEY to a key of test mode, which begins with `sk_test_` or `rk_test_`.")
    if not options.operator_token:
        sys.exit("Set OPERATOR_TOKEN to the token with which Tallyhook was started.")
    play = Play(options)
    try:
        play.usage()
        play.months()
    except Refused as refused:
        sys.exit(str(refused))
    except OSError as error:
        sys.exit(f"{error}. Is Tallyhook serving at {options.url}, and is {options.stripe_url} reachable?")
    print("everything is as expected")


if __name__ == "__main__":
    main()
