"""What is mutated, the group it counts in, and the tests that are asked about it. A new module is one line here."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Subject:
    """One module; ``tests`` judge what it does on import, whatever runs a function judges that."""

    group: str
    module: str
    tests: tuple[str, ...]

    @property
    def file(self) -> Path:
        return ROOT / f"{self.module.replace('.', '/')}.py"


def _domain(name: str) -> Subject:
    return Subject(
        "domain", f"countersign.domain.{name}", (f"tests/domain/test_{name}.py", "tests/domain/test_spelling.py")
    )


_EFFECTS = ("tests/effects",)
_CALLERS = ("tests/callers",)

SUBJECTS = (
    *(_domain(file.stem) for file in sorted(ROOT.glob("countersign/domain/[a-z]*.py"))),
    Subject("codes", "countersign.effects.codes", _EFFECTS),
    Subject("codes", "countersign.effects.totp", _EFFECTS),
    Subject("codes", "countersign.effects.recovery", _EFFECTS),
    Subject("seal", "countersign.adapters.keyring", ("tests/adapters/test_keyring.py",)),
    Subject("seal", "countersign.adapters.payload_codec", ("tests/adapters/test_payload_codec.py",)),
    Subject("seal", "countersign.adapters.message_guard", ("tests/adapters/test_message_guard.py",)),
    Subject("seal", "countersign.effects.secrets", _EFFECTS),
    Subject("audit", "countersign.storage.ledger", _EFFECTS),
    Subject("audit", "countersign.effects.work", _EFFECTS),
    Subject("authorisation", "countersign.adapters.statements", ("tests/adapters/test_statements.py", *_EFFECTS)),
    Subject("authorisation", "countersign.effects.authority", _EFFECTS),
    Subject("authorisation", "countersign.effects.steps", _EFFECTS),
    Subject("authorisation", "countersign.effects.activation", _EFFECTS),
    Subject("authorisation", "countersign.effects.messages", _EFFECTS),
    Subject("authorisation", "api.tokens", _CALLERS),
    Subject("authorisation", "api.services", _CALLERS),
    Subject("authorisation", "api.pages.visitors", _CALLERS),
)

GROUPS = tuple(dict.fromkeys(subject.group for subject in SUBJECTS))
