"""Starts the local stack, makes an account with a key, credits and a job, and has schemathesis judge the API and the operators' API."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ST, LOCAL = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:])
CONFIG = pathlib.Path(".ci/schemathesis.toml").resolve()
WEBHOOK = json.loads(pathlib.Path("events/api/github-webhook.json").read_text())
TOKEN = "ci-operator-token"
API, OPERATORS = "/api/v1/openapi.json", "/api/v1/admin/openapi.json"
# Without credentials, every call gets 401, however well-formed it is, and no call leads to another.
WITHOUT_CREDENTIALS = ["--phases", "examples,coverage"]
WITHOUT_CREDENTIALS += ["--exclude-checks", "negative_data_rejection,positive_data_acceptance,missing_required_header"]
# The most seconds with each of the credentials.
SECONDS = {"a key": 65, "no key": 12, "an operator's token": 45, "no operator's token": 10}


def ask(base, method, path, body=None, token=TOKEN, once="ci"):
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "idempotency-key": once}
    body = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def address(lines):
    """The address that the stack says it serves at."""
    for line in lines:
        print("  local:", re.sub(r"Bearer \S+", "Bearer …", line.rstrip()))
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found.group()
    raise SystemExit("the local stack said no address")


def existing(base):
    """Ids that exist for the paths of the operators' API: an account, a job and an event by the sample webhook, and a sign-up."""
    by_hand = "/api/v1/admin/switches/auto_provision"
    ask(base, "PUT", by_hand, {"on": False, "reason": "a test"})
    ask(base, "POST", "/api/v1/signup", {"email": "ci@acme.example", "name": "CI"})
    signup = urllib.parse.quote(ask(base, "GET", "/api/v1/admin/signups")["signups"][0]["id"], safe="")
    ask(base, "PUT", by_hand, {"on": True, "reason": "a test"})
    demo = {"stripe_customer_id": "cus_TallyhookDemo1", "installation_id": json.loads(WEBHOOK["body"])["installation"]["id"]}
    account, key = account_with_key(base, demo)
    body, headers = WEBHOOK["body"].encode(), {"content-type": "application/json"}
    headers |= {name: text for name, text in WEBHOOK["headers"].items() if name.startswith("x-")}
    urllib.request.urlopen(urllib.request.Request(base + "/github/webhook", body, headers), timeout=20).close()
    event = ask(base, "GET", "/api/v1/admin/events?source=github")["events"][0]["id"]
    for _ in range(100):
        if jobs := ask(base, "GET", "/api/v1/jobs", token=key)["jobs"]:
            return {
                "accounts": {"id": account},
                "jobs": {"id": jobs[0]["id"]},
                "events/.source.": {"source": "github", "id": event},
                "signups": {"id": signup},
            }
        time.sleep(0.2)
    raise SystemExit("the sample webhook led to no job")


def account_with_key(base, wanted):
    account = ask(base, "POST", "/api/v1/admin/accounts", wanted)["id"]
    path = f"/api/v1/admin/accounts/{account}"
    key = ask(base, "POST", f"{path}/api-keys", {"name": "ci", "mode": "test"})["secret"]
    ask(base, "POST", f"{path}/adjustments", {"amount": "1000000", "reason": "a test"}, once="credits")
    return account, key


def config(ids):
    """The settings, with ids that exist for the paths of the operators' API."""
    text = CONFIG.read_text()
    for path, parameters in ids.items():
        text += f"\n[[operations]]\ninclude-path-regex = '^/api/v1/admin/{path}/'\n[operations.parameters]\n"
        text += "".join(f'"path.{name}" = "{value}"\n' for name, value in parameters.items())
    return text


def judge(base, folder, what, document, token, *options):
    print(f"=== with {what}", flush=True)
    seconds, begin = SECONDS[what], time.monotonic()
    settings = folder / ("operators.toml" if document == OPERATORS else "api.toml")
    command = [ST, "--config-file", str(settings), "run", base + document, "--no-color", "--max-time", str(seconds), *options]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    failed = subprocess.run(command, cwd=folder, timeout=seconds + 60, check=False).returncode
    print(f"=== with {what}: {time.monotonic() - begin:.0f} s", flush=True)
    return failed


def main():
    # Schemathesis asks more often than one key may; that limits hold is tested elsewhere.
    env = {**os.environ, "OPERATOR_TOKEN": f"ci:{TOKEN}", "RATE_LIMIT_PER_MINUTE": "1000000"}
    stack = subprocess.Popen([LOCAL, "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        base = address(stack.stdout)
        _, key = account_with_key(base, {"stripe_customer_id": "cus_CiApi", "installation_id": 770077, "plan": "credits"})
        ids = existing(base)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "api.toml").write_text(CONFIG.read_text())
            (folder / "operators.toml").write_text(config(ids))
            failed = judge(base, folder, "a key", API, key)
            failed |= judge(base, folder, "no key", API, None, *WITHOUT_CREDENTIALS)
            failed |= judge(base, folder, "an operator's token", OPERATORS, TOKEN)
            failed |= judge(base, folder, "no operator's token", OPERATORS, None, *WITHOUT_CREDENTIALS)
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(timeout=20)
    print("api:", "not as documented" if failed else "fine")
    return 1 if failed else 0


sys.exit(main())
