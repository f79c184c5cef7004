"""``python -m examples.gateway``."""

import uvicorn

from examples.gateway.app import create_gateway
from examples.gateway.serving import server_config
from examples.gateway.settings import GatewaySettings


def main() -> None:
    """Serve until it is told to stop."""
    settings = GatewaySettings()
    uvicorn.Server(server_config(create_gateway(settings), settings)).run()


if __name__ == "__main__":
    main()
