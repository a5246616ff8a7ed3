"""Published Python clients against our simulators, and our signatures against theirs."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timezone

SHOPS = {shop["marketplace"]: shop for shop in json.load(open(sys.argv[1]))}


def lazada():
    """Lazada's repackaged official client is believed by our simulator; with another secret it is not."""
    import lazop_sdk

    shop = SHOPS["lazada"]
    secrets = shop["credentials"]

    def ask(secret, path, params):
        client = lazop_sdk.LazopClient(shop["url"], secrets["app_key"], secret)
        request = lazop_sdk.LazopRequest(path, "GET")
        for name, value in params.items():
            request.add_api_param(name, value)
        return client.execute(request, secrets["access_token"])

    orders = {"update_after": "2026-01-01T00:00:00+08:00", "limit": "10", "offset": "0"}
    right = ask(secrets["app_secret"], "/orders/get", orders)
    assert right.code == "0", right
    products = ask(secrets["app_secret"], "/products/get", {"filter": "live", "limit": "10"})
    assert products.code == "0" and products.body["data"]["products"], products
    wrong = ask("another", "/orders/get", orders)
    assert wrong.code == "IncompleteSignature", wrong


def standard_webhooks():
    """What the Python library signs, `webhook verify` believes; what was changed, it does not."""
    from standardwebhooks import Webhook

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
    now = datetime.now(tz=timezone.utc)
    body = '{"type":"product.updated","data":{"id":"7"}}'
    headers = {
        "webhook-id": "msg_python",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_python", now, body),
    }

    def believed(text):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text)
            file.flush()
            command = [os.environ["MARKETSINK"], "webhook", "verify"]
            command += ["--marketplace", "standard_webhooks", "--secret", secret, "--body", file.name]
            for name, value in headers.items():
                command += ["--header", f"{name}: {value}"]
            return subprocess.run(command, capture_output=True).returncode == 0

    assert believed(body)
    assert not believed(body + " ")


failed = False
for name, body in [("lazada", lazada), ("standard_webhooks", standard_webhooks)]:
    if name not in SHOPS:
        continue
    try:
        body()
        print(f"ok      {body.__doc__}")
    except Exception as error:  # every check is told of
        failed = True
        print(f"FAILED  {body.__doc__}: {error!r}")
sys.exit(1 if failed else 0)
