#!/usr/bin/env bash
# Eight threads of exchanges through libsasl, with reloads, under ThreadSanitizer.
# usage: tests/check_threads.sh [BUILDDIR]      BUILDDIR: where the programs go, build-threads by default
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build-threads}
mkdir -p "$build"

# A separate build: code that is not compiled for ThreadSanitizer hides races, and a program takes only one of the two
# sanitizers.
flags=(-std=c11 -pthread -O1 -g -fsanitize=thread -fPIC -fvisibility=hidden -Wall -Wextra -D_GNU_SOURCE
    -DLATCHKEY_VERSION='"threads"' -DLATCHKEY_SYSCONFDIR='"/nonexistent"' -DLATCHKEY_SBINDIR='"/nonexistent"'
    -DLATCHKEY_LOCALSTATEDIR='"/nonexistent"' -Icommon -I.)
read -ra libraries <<<"$(pkg-config --cflags --libs libcrypto json-c libsasl2)"
compiler=${CC:-cc}
"$compiler" "${flags[@]}" -shared -Wl,-z,nodelete -Wl,-z,defs -o "$build/liblatchkey.so" \
    sasl/*.c common/*/*.c "${libraries[@]}"
"$compiler" "${flags[@]}" -o "$build/sasl_load" tests/sasl/sasl_load.c devel/signer.c common/*/*.c "${libraries[@]}"

export TSAN_OPTIONS="exitcode=66 history_size=4 ${TSAN_OPTIONS-}"
result=$(unset LATCHKEY_TOKEN_FILE; "$build/sasl_load" "$(realpath "$build")/liblatchkey.so" 8 "${EXCHANGES:-700}" 5)
echo "threads: $result, no data race"
