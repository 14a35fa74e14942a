#!/usr/bin/env bash
# Builds the SASL plug-in and its unit tests with other compilers, which lay out the stack in other ways: only some of
# these layouts show that a callback writes beyond its buffer.
# usage: tests/check_compilers.sh BUILD_DIRECTORY      a build without sanitizers, whose core is used
set -euo pipefail

build=$(realpath "${1:?usage: check_compilers.sh BUILD_DIRECTORY}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make -C "$build" libcommon.la libsigner.la >/dev/null

core=("$build/.libs/libsigner.a" "$build/.libs/libcommon.a")
flags=(-std=c11 -pthread -fPIC -fvisibility=hidden -D_GNU_SOURCE -Icommon -I.)
read -ra libraries <<<"$(pkg-config --cflags --libs libcrypto json-c libsasl2 cmocka)"

tests=(tests/sasl/test_*.c)
compile_and_run() { # directory, compiler and its own flags
    local directory=$1 source test
    shift
    mkdir -p "$directory"
    "$@" "${flags[@]}" -shared -Wl,-z,nodelete -Wl,-z,defs -o "$directory/liblatchkey.so" sasl/*.c "${core[@]}" "${libraries[@]}"
    "$@" "${flags[@]}" -c -o "$directory/messages.o" sasl/messages.c
    for source in "${tests[@]}"; do
        test=$(basename "$source" .c)
        "$@" "${flags[@]}" -o "$directory/$test" "$source" "$directory/messages.o" "${core[@]}" "${libraries[@]}"
        PLUGIN=$directory/liblatchkey.so "$directory/$test" >"$directory/$test.log" 2>&1 \
            || { tail -n 20 "$directory/$test.log"; echo "compilers: $test fails with $*"; exit 1; }
    done
}

compile_and_run "$build/compilers/clang" clang -O2
compile_and_run "$build/compilers/gcc" gcc -O3
echo "compilers: ${#tests[@]} unit tests of SASL pass with clang -O2 and gcc -O3, too"
