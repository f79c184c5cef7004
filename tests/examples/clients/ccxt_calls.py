"""Calls of ccxt's `cex` exchange, a JSON line each on standard input; run where ccxt is installed."""

import json
import sys
from typing import Any

import ccxt


def client(told: dict[str, Any]) -> ccxt.cex:
    exchange = ccxt.cex({"apiKey": told["key"], "secret": told["secret"], "enableRateLimit": False})
    exchange.urls["api"] = {"public": f"{told['url']}/rest-public", "private": f"{told['url']}/rest"}
    exchange.options["createOrder"] = {"accountId": "trading"}
    exchange.headers = {"X-Forwarded-For": told["ip"]} if told["ip"] else {}
    return exchange


def answer(told: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": getattr(client(told), told["method"])(*told["arguments"])}
    except ccxt.BaseError as error:
        return {"error": type(error).__name__, "text": str(error)}


def tell(told: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


tell({"version": ccxt.__version__})
for line in sys.stdin:
    tell(answer(json.loads(line)))
