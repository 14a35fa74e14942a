#!/usr/bin/env bash
# The unit tests of which a part cannot run under AddressSanitizer, whose allocator survives no fork of a process with
# threads and no limit of its address space, and whose mlock() does nothing: once more without it.
# usage: tests/check_unsanitized.sh BUILD_DIRECTORY      a build without sanitizers
set -euo pipefail

programs=(tests/config/test_config tests/base/test_pattern tests/base/test_fork_lock tests/base/test_secret)
make -C "${1:?usage: check_unsanitized.sh BUILD_DIRECTORY}" "${programs[@]}" >/dev/null
for program in "${programs[@]}"; do
    "$1/$program" >"$1/$program.log" 2>&1 || { cat "$1/$program.log"; exit 1; }
done
echo "unsanitized: $(printf '%s\n' "${programs[@]}" | wc -l) programs pass without sanitizers, too"
