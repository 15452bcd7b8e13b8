"""Starts the local stack, makes an account with a key and credits, and has schemathesis judge the customers' API."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

ST, LOCAL = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:])
CONFIG = str(pathlib.Path(".ci/schemathesis.toml").resolve())
TOKEN = "ci-operator-token"
SECONDS_WITH_A_KEY, SECONDS_WITHOUT = 90, 30


def ask(base, method, path, body, token=TOKEN, once="ci"):
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "idempotency-key": once}
    request = urllib.request.Request(base + path, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def address(lines):
    """The address that the stack says it serves at."""
    for line in lines:
        print("  local:", re.sub(r"Bearer \S+", "Bearer …", line.rstrip()))
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    raise SystemExit("the local stack said no address")


def judge(base, folder, seconds, headers, *options):
    command = [ST, "--config-file", CONFIG, "run", f"{base}/api/v1/openapi.json", "--max-time", str(seconds), "--no-color"]
    for header in headers:
        command += ["--header", header]
    return subprocess.run([*command, *options], cwd=folder, timeout=seconds + 60, check=False).returncode


def main():
    # Schemathesis asks more often than one key may; that limits hold is tested elsewhere.
    env = {**os.environ, "OPERATOR_TOKEN": f"ci:{TOKEN}", "RATE_LIMIT_PER_MINUTE": "1000000"}
    stack = subprocess.Popen([LOCAL, "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        base = address(stack.stdout)
        wanted = {"stripe_customer_id": "cus_CiApi", "installation_id": 770077, "plan": "credits"}
        account = ask(base, "POST", "/api/v1/admin/accounts", wanted)["id"]
        path = f"/api/v1/admin/accounts/{account}"
        key = ask(base, "POST", f"{path}/api-keys", {"name": "ci", "mode": "test"})["secret"]
        ask(base, "POST", f"{path}/adjustments", {"amount": "1000000", "reason": "a test"}, once="credits")
        with tempfile.TemporaryDirectory() as folder:
            print("=== with a key", flush=True)
            failed = judge(base, folder, SECONDS_WITH_A_KEY, [f"Authorization: Bearer {key}"])
            print("=== without a key", flush=True)
            # Without a key, every call gets 401, however well-formed it is.
            checks = "negative_data_rejection,positive_data_acceptance,missing_required_header"
            failed |= judge(base, folder, SECONDS_WITHOUT, [], "--exclude-checks", checks)
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(timeout=20)
    print("api:", "not as documented" if failed else "fine")
    return 1 if failed else 0


sys.exit(main())
