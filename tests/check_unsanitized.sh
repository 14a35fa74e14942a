#!/usr/bin/env bash
# Runs some unit tests once more without AddressSanitizer. Its allocator fails after a fork of a process with threads and
# under a limit of the address space, and its mlock() does nothing, so that parts of these tests cannot run under it.
# usage: tests/check_unsanitized.sh BUILD_DIRECTORY      a build without sanitizers
set -euo pipefail

programs=(tests/config/test_config tests/base/test_pattern tests/base/test_fork_lock tests/base/test_secret)
make -C "${1:?usage: check_unsanitized.sh BUILD_DIRECTORY}" "${programs[@]}" >/dev/null
for program in "${programs[@]}"; do
    "$1/$program" >"$1/$program.log" 2>&1 || { cat "$1/$program.log"; exit 1; }
done
echo "unsanitized: $(printf '%s\n' "${programs[@]}" | wc -l) programs pass without sanitizers, too"
