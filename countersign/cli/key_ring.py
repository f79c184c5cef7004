"""The key ring as commands read and change it: a file is replaced, a ring from the environment can only be printed."""

from dataclasses import dataclass
from pathlib import Path

import typer

from countersign.adapters.keyring import load_ring_text
from countersign.adapters.ring_file import replace_ring_file
from countersign.adapters.ring_text import KeyRingInvalid, RingText
from countersign.settings import Settings


@dataclass(frozen=True)
class KeptRing:
    """A ring of masters and the file it lies in; None for one that is given as COUNTERSIGN_KEY_RING."""

    ring: RingText
    file: Path | None

    @classmethod
    def find(cls, settings: Settings) -> "KeptRing":
        """Return the ring that the settings name; raises ``KeyRingInvalid``, for a derived ring too."""
        json_text = settings.key_ring.get_secret_value()
        ring = load_ring_text(json_text=json_text, file=settings.key_ring_file)
        if not ring.masters:
            raise KeyRingInvalid("This is a derived key ring: give this command the ring of masters.")
        return cls(ring, None if json_text else settings.key_ring_file)

    def require_place(self, *, printed: bool) -> None:
        """Raise ``KeyRingInvalid`` when there is neither a file to change nor leave to print key material."""
        if self.file is None and not printed:
            raise KeyRingInvalid(
                "The key ring comes from COUNTERSIGN_KEY_RING, which a command cannot change. Run this again with "
                "--print: it prints the new ring, key material included, to be put where that setting comes from."
            )

    def replace(self, ring: RingText, *, printed: bool) -> None:
        """Keep ``ring`` in its place: in the file, or on standard output if that was asked for."""
        if printed:
            typer.echo(ring.dump(), nl=False)
        elif self.file is not None:
            if load_ring_text(json_text="", file=self.file) != self.ring:
                raise KeyRingInvalid("The key ring file was changed by another command meanwhile; run this again.")
            replace_ring_file(self.file, ring.dump())


def say(*lines: str) -> None:
    """Tell people something; standard output may hold a ring for machines."""
    for line in lines:
        typer.echo(line, err=True)
