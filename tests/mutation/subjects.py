"""What is mutated, the group it counts in, and the tests that are asked about it. A new module is one line here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ALSO = {"secrets": ["domain/test_recovery_codes"]}
# Nothing in these needs Temporal.
_WHOLE = ("tests/domain", "tests/effects", "tests/callers")


@dataclass(frozen=True)
class Subject:
    """One module; ``tests`` are asked about what it does on import, their whole folder about its functions."""

    group: str
    module: str
    tests: tuple[str, ...]

    @property
    def file(self) -> Path:
        return ROOT / f"{self.module.replace('.', '/')}.py"


def tests_of(subjects: Iterable[Subject]) -> list[str]:
    """Return the files and folders with the tests that are asked about functions of the subjects."""
    files = (file for subject in subjects for file in subject.tests)
    folders = (next((folder for folder in _WHOLE if file.startswith(folder)), file) for file in files)
    return list(dict.fromkeys(folders))


def _subject(group: str, module: str, *tests: str) -> Subject:
    return Subject(group, module, tuple(f"tests/{test}.py" for test in tests))


def _domain(name: str) -> Subject:
    own = [file for file in (f"domain/test_{name}", *_ALSO.get(name, ())) if (ROOT / f"tests/{file}.py").exists()]
    return _subject("domain", f"countersign.domain.{name}", *own, "domain/test_spelling")


SUBJECTS = (
    *(_domain(file.stem) for file in sorted(ROOT.glob("countersign/domain/[a-z]*.py"))),
    _subject("codes", "countersign.effects.codes", "effects/test_codes"),
    _subject("codes", "countersign.effects.sms", "effects/test_sms_caps"),
    _subject("codes", "countersign.effects.totp", "effects/test_authenticator"),
    _subject("codes", "countersign.effects.recovery", "effects/test_recovery"),
    _subject("seal", "countersign.adapters.keyring", "adapters/test_keyring", "adapters/test_stored_forms"),
    _subject("seal", "countersign.adapters.ring_text", "adapters/test_ring_text", "adapters/test_keyring"),
    _subject("seal", "countersign.adapters.payload_codec", "adapters/test_payload_codec", "adapters/test_stored_forms"),
    _subject("seal", "countersign.adapters.message_guard", "adapters/test_message_guard"),
    _subject("seal", "countersign.effects.secrets", "effects/test_secrets"),
    _subject("audit", "countersign.storage.ledger", "effects/test_audit"),
    _subject("audit", "countersign.effects.work", "effects/test_audit"),
    _subject("audit", "countersign.effects.checkpoints", "effects/test_checkpoints"),
    _subject("audit", "countersign.adapters.signatures", "adapters/test_signatures"),
    _subject("audit", "countersign.auditing.verifying", "audit/test_verifying"),
    _subject("authorisation", "countersign.adapters.statements", "adapters/test_statements", "effects/test_activation"),
    _subject("authorisation", "countersign.effects.authority", "effects/test_authority"),
    _subject("authorisation", "countersign.effects.steps", "effects/test_authority"),
    _subject("authorisation", "countersign.effects.activation", "effects/test_activation"),
    _subject(
        *("authorisation", "countersign.effects.messages"),
        *("effects/test_authority", "effects/test_recovery", "effects/test_activation"),
    ),
    _subject("authorisation", "countersign.effects.stopping", "effects/test_stopping"),
    _subject("authorisation", "countersign.effects.stop_links", "effects/test_stopping"),
    _subject("authorisation", "countersign.effects.holding", "effects/test_holding"),
    _subject("authorisation", "api.tokens", "callers/test_tokens"),
    _subject("authorisation", "api.services", "callers/test_callers", "callers/test_counted_calls"),
    _subject("authorisation", "api.pages.visitors", "callers/test_visitors", "callers/test_counted_calls"),
)
