"""Serves Tallyhook with `--stripe-url`, and the stand-in Stripe in another process, and goes through billing.

The stand-in delivers no events to the other process. This script does, as `stripe listen` does: it reads Stripe's list of
events and sends each one, signed. Everything ends with the script.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LOCAL = ["target/debug/local", "serve", "--port", "0"]
KEY, SECRET, OPERATOR = "sk_test_separate", "whsec_separate", "ci:a-token-of-the-gate-with-enough-letters"
START_SECONDS, PLAY_SECONDS = 60, 60


@contextlib.contextmanager
def serving(*options, **settings):
    """A process that serves, and its address."""
    env = {**os.environ, "OPERATOR_TOKEN": OPERATOR, **settings}
    process = subprocess.Popen([*LOCAL, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    timer = threading.Timer(START_SECONDS + PLAY_SECONDS, process.kill)
    timer.start()
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                yield address.group()
                return
        sys.exit(f"{' '.join(LOCAL)} ended:\n{''.join(said)}")
    finally:
        timer.cancel()
        process.terminate()
        process.wait()


def read(url, token):
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def forward(stripe, tallyhook, ended):
    """Delivers the events of Stripe until the play has ended. What is refused is delivered again."""
    delivered = set()
    while not ended.wait(0.3):
        events = read(f"{stripe}/v1/events?limit=100", KEY)["data"]
        for event in reversed([one for one in events if one["id"] not in delivered]):
            body = json.dumps(event).encode()
            at = int(time.time())
            digest = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers = {"content-type": "application/json", "stripe-signature": f"t={at},v1={digest}"}
            request = urllib.request.Request(f"{tallyhook}/stripe/webhook", data=body, headers=headers)
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request, timeout=10):
                delivered.add(event["id"])


def main():
    with serving() as other:
        stripe = f"{other}/stand-ins/stripe/api"
        with serving("--stripe-url", stripe, STRIPE_SECRET_KEY=KEY, STRIPE_WEBHOOK_SECRETS=SECRET) as tallyhook:
            settings = {**os.environ, "STRIPE_SECRET_KEY": KEY, "OPERATOR_TOKEN": OPERATOR}
            push = ["target/debug/local", "catalogue", "push", "--stripe-url", stripe]
            subprocess.run([*push, "--webhook-url", f"{tallyhook}/stripe/webhook"], env=settings, check=True)
            ended = threading.Event()
            threading.Thread(target=forward, args=(stripe, tallyhook, ended), daemon=True).start()
            play = ["infra/stripe_test_mode.py", "--url", tallyhook, "--stripe-url", stripe, "--quick"]
            try:
                subprocess.run([sys.executable, *play], env=settings, check=True, timeout=PLAY_SECONDS)
            finally:
                ended.set()


main()
