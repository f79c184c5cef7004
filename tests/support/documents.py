"""What commands write into documents, between marks."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Marks:
    """The lines between which a document holds what a command wrote."""

    begins: str
    ends: str

    def write(self, document: Path, text: str) -> None:
        """Replace what stands between the marks."""
        before = document.read_text(encoding="utf-8")
        document.write_text(self._between.sub(lambda _: f"\n{text}\n\n", before), encoding="utf-8")

    def read(self, document: Path) -> str:
        """Return what stands between the marks."""
        found = self._between.search(document.read_text(encoding="utf-8"))
        assert found, f"{document} has no marks {self.begins} and {self.ends}"
        return found[0].strip()

    @property
    def _between(self) -> re.Pattern[str]:
        return re.compile(f"(?<={re.escape(self.begins)}\n).*?(?={re.escape(self.ends)})", re.DOTALL)
