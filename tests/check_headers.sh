#!/usr/bin/env bash
# Every header compiles alone, and twice.
# usage: tests/check_headers.sh [SOURCE_TREE]
set -euo pipefail

cd "${1:-$(dirname "$0")/..}"
flags=(-std=c11 -D_GNU_SOURCE -Icommon -Wall -Wextra -Wundef -Werror -fsyntax-only -x c -)
failures=0
count=0
for header in {common,tenant,latchkeyd,pam,sasl,cli,devel,tests}/{,*/}*.h; do
    [ -e "$header" ] || continue
    count=$((count + 1))
    # A declaration follows, since ISO C does not allow a file without one.
    if ! printf '#include "%s"\n#include "%s"\nint only_this;\n' "$header" "$header" | ${CC:-cc} "-I." "${flags[@]}"; then
        echo "headers: $header does not compile alone"
        failures=$((failures + 1))
    fi
done
[ "$failures" -eq 0 ] && [ "$count" -gt 0 ] || exit 1
echo "headers: $count compile alone"
