#!/bin/sh
# Makes the namespace and the search attributes that Countersign uses; safe to repeat.
set -eu
until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE" ||
    temporal operator namespace create --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE" --retention 30d
until temporal operator search-attribute list --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE"; do sleep 1; done
for name in AccountId CredentialKind ApprovalStep SessionName; do
    temporal operator search-attribute create --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE" --name "$name" --type Keyword ||
        temporal operator search-attribute list --namespace "$COUNTERSIGN_TEMPORAL_NAMESPACE" | grep -qw "$name"
done
