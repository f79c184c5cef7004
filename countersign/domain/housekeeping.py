"""What a round of housekeeping did, as ops are told."""

from collections.abc import Mapping

from pydantic import BaseModel


class Swept(BaseModel, frozen=True):
    """How many rows went, by table; ``archivable_before`` is the month (YYYY-MM) before which the trail may leave."""

    removed: dict[str, int] = {}
    archivable_before: str = ""

    def told(self) -> str:
        """Return the same in words, a line for each thing."""
        lines = [f"Removed: {counted(self.removed)}."]
        if self.archivable_before:
            lines.append(
                f"Audit events of the months before {self.archivable_before} may be archived, as the owner role: "
                f"countersign audit archive --before {self.archivable_before} --to FILE"
            )
        return "\n".join(lines)


def counted(rows: Mapping[str, int]) -> str:
    """Return how many rows of which tables, those of which there are any."""
    return ", ".join(f"{count:,} {table.replace('_', ' ')}" for table, count in rows.items() if count) or "nothing"
