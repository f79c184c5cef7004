"""A PostgreSQL for all forks of the mutation tests: says its port, and ends when its standard input does."""

import sys
from pathlib import Path

from countersign.local.tcp_ports import free_port
from tests.support.databases import migrated_postgres

if __name__ == "__main__":
    port = free_port()
    with migrated_postgres(Path(sys.argv[1]), port):
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()
