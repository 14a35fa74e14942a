#!/usr/bin/env bash
# Every rule of tests/RULES.md has a test that is named after it, and every test name with rule_NN_ has its rule.
# usage: tests/check_rules.sh [SOURCE_TREE]
set -euo pipefail

cd "${1:-$(dirname "$0")/..}"
listed=$(grep -oE '^[0-9]+\.' tests/RULES.md | tr -d . | sort -n)
tested=$(grep -rhoE '\b(test_)?rule_[0-9]+_' tests --include='*.c' --include='*.py' | grep -oE '[0-9]+' | sed 's/^0*//' | sort -nu)
missing=$(comm -3 <(sort <<<"$listed") <(sort <<<"$tested"))
if [ -n "$missing" ]; then
    echo "rules: without a test, or without a line in tests/RULES.md:" $missing
    exit 1
fi
echo "rules: $(wc -l <<<"$listed") have tests of their own"
