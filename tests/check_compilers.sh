#!/usr/bin/env bash
# The plug-in of SASL and its unit tests as other compilers lay out the stack: what a callback writes beyond its room is
# seen with some of them alone.
# usage: tests/check_compilers.sh BUILD_DIRECTORY      a build without sanitizers, whose core is used
set -euo pipefail

build=$(realpath "${1:?usage: check_compilers.sh BUILD_DIRECTORY}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make -C "$build" libcommon.la libsigner.la >/dev/null

core=("$build/.libs/libsigner.a" "$build/.libs/libcommon.a")
flags=(-std=c11 -pthread -fPIC -fvisibility=hidden -D_GNU_SOURCE -Icommon -I.)
read -ra libraries <<<"$(pkg-config --cflags --libs libcrypto json-c libconfuse libsasl2 cmocka)"

compile() { # directory, compiler and its own flags
    local directory=$1
    shift
    mkdir -p "$directory"
    "$@" "${flags[@]}" -shared -Wl,-z,nodelete -Wl,-z,defs -o "$directory/liblatchkey.so" sasl/*.c "${core[@]}" "${libraries[@]}"
    "$@" "${flags[@]}" -o "$directory/test_messages" tests/sasl/test_messages.c sasl/messages.c "${core[@]}" "${libraries[@]}"
    "$@" "${flags[@]}" -o "$directory/test_sasl" tests/sasl/test_sasl.c "${core[@]}" "${libraries[@]}"
}
check() { # directory, what it was compiled with
    local test
    for test in test_messages test_sasl; do
        PLUGIN=$1/liblatchkey.so "$1/$test" >"$1/$test.log" 2>&1 \
            || { tail -n 20 "$1/$test.log"; echo "compilers: $test fails with $2"; exit 1; }
    done
}

compile "$build/compilers/clang" clang -O2
check "$build/compilers/clang" "clang -O2"
compile "$build/compilers/gcc" gcc -O3
check "$build/compilers/gcc" "gcc -O3"
echo "compilers: the unit tests of SASL pass with clang -O2 and gcc -O3, too"
