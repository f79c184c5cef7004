"""``python -m examples.gateway``."""

import logging

import uvicorn

from examples.gateway.app import create_gateway
from examples.gateway.serving import server_config
from examples.gateway.settings import GatewaySettings


def main() -> None:
    """Serve until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = GatewaySettings()
    uvicorn.Server(server_config(create_gateway(settings), settings)).run()


if __name__ == "__main__":
    main()
