"""Manifests held against schemas: Kubernetes' own, and for custom resources ours, of the fields that are used.

Ours are written after the definitions that KEDA 2.20 and the Prometheus operator publish, and after the parameters of
KEDA's scaler for Temporal.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
from jsonschema import Draft202012Validator

from tests.kubernetes.rendering import Manifest

# The oldest that knows all the fields that are used, and the newest that the validator knows.
VERSIONS = ("1.31", "1.37")
_SCHEMAS = Path(__file__).with_name("schemas")


def faults(manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a manifest; fields that nobody knows are wrong."""
    own = _SCHEMAS / f"{manifest['kind']}.json"
    if own.exists():
        schema = json.loads(own.read_text(encoding="utf-8"))
        yield from (
            _told(manifest, error.json_path, error.message) for error in _validator(schema).iter_errors(manifest)
        )
    else:
        yield from _built_in(manifest)


def _validator(schema: object) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _built_in(manifest: Manifest) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield _told(manifest, error.json_path, f"{error.message} (Kubernetes {version})")
        except kubernetes_validate.SchemaNotFoundError:
            yield _told(manifest, "$", f"there is no schema for this {manifest['apiVersion']} (Kubernetes {version})")


def _told(manifest: Manifest, path: str, message: str) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}, {path}: {message}"
