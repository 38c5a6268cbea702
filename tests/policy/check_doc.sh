#!/bin/sh
# check_doc.sh POLICY_DOC SOURCE_ROOT: is docs/POLICY.md what the tables say?
set -eu
if ! "$1" | diff -u "$2/docs/POLICY.md" -; then
    echo "docs/POLICY.md is out of date: run scripts/gen-policy-doc" >&2
    exit 1
fi
