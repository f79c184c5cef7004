"""Lets ``python -m countersign`` be the command ``countersign``."""

from countersign.cli import main

if __name__ == "__main__":
    main()
