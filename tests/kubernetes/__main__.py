"""``make check``: every folder of manifests is rendered by kubectl, and what comes out is held against the schemas."""

import sys

from tests.kubernetes.rendering import FOUNDATIONS, PARTS, CannotRender, rendered
from tests.kubernetes.validating import faults


def main() -> int:
    """Return 1 when a folder cannot be rendered or a manifest does not fit."""
    try:
        found = [
            f"{name}: {fault}" for name in (*FOUNDATIONS, *PARTS) for each in rendered(name) for fault in faults(each)
        ]
    except CannotRender as error:
        found = [str(error)]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
