#!/usr/bin/env python3
"""Signs the samples in events/api again after their bodies change. Needs only Python.

Both use the secret of the samples. Stripe's signature carries a time; --now takes the present one, which a receiver
accepts for five minutes and which does not belong into a commit.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import time

EVENTS = pathlib.Path(__file__).parent.parent / "events"
SECRET = "local-secret"


def digest(text, algorithm="sha256", secret=SECRET):
    return hmac.new(secret.encode(), text.encode(), algorithm).hexdigest()


def github(body):
    return {"x-hub-signature": "sha1=" + digest(body, "sha1"), "x-hub-signature-256": "sha256=" + digest(body)}


def stripe(body, at, secret=SECRET):
    return {"stripe-signature": f"t={at},v1={digest(f'{at}.{body}', secret=secret)}"}


def carry(sample, body, signature):
    sample["body"] = body
    sample["headers"] |= signature | {"content-length": str(len(body.encode()))}
    return sample


def rewrite(function, fixture, sign):
    path = EVENTS / "api" / f"{function}.json"
    body = (EVENTS / fixture).read_text()
    sample = carry(json.loads(path.read_text()), body, sign(body))
    path.write_text(json.dumps(sample, indent=2, ensure_ascii=False) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--now", action="store_true", help="sign Stripe's with the present time")
    now = parser.parse_args().now
    fixture = "stripe/customer.subscription.created.json"
    created = json.loads((EVENTS / fixture).read_text())["created"]
    rewrite("github-webhook", "github/issues.labeled.json", github)
    rewrite("stripe-webhook", fixture, lambda body: stripe(body, int(time.time()) if now else created + 1))


if __name__ == "__main__":
    main()
