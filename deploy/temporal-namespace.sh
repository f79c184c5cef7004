#!/bin/sh
# Makes the namespace and the search attributes that Countersign uses; safe to repeat.
set -eu
tool() { temporal operator "$@" --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE"; }
until temporal operator cluster health; do sleep 1; done
tool namespace describe >/dev/null 2>&1 || tool namespace create --retention 30d
# The frontend learns of a new namespace after a while.
until tool search-attribute list >/dev/null; do sleep 1; done
for name in AccountId CredentialKind ApprovalStep SessionName; do
    tool search-attribute create --name "$name" --type Keyword
done
