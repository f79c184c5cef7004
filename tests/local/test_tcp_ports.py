import socket

import pytest

from countersign.local.errors import StackError
from countersign.local.tcp_ports import free_port, require_free


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - the case is a server that listens everywhere
def test_a_taken_port_is_told_in_one_line_with_the_option_that_changes_it(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(StackError, match=rf"^port {port} for the API is taken: choose another with --api-port$"):
            require_free({"PostgreSQL": (free_port(), "--postgres-port"), "the API": (port, "--api-port")})


def test_free_ports_pass() -> None:
    require_free({"the API": (free_port(), "--api-port")})


def test_one_port_for_two_servers_is_refused() -> None:
    port = free_port()

    with pytest.raises(StackError, match="cannot both listen"):
        require_free({"Temporal": (port, "--temporal-port"), "the Temporal UI": (port, "--ui-port")})
