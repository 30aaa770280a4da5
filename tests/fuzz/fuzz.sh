#!/bin/sh
# Fuzzes each entry point with libFuzzer: fuzz.sh SOURCE-DIRECTORY SECONDS NAME...
# Builds with clang in _fuzz below the current directory. What is found stays there as crash-*; new inputs go to
# _fuzz/corpus/NAME, from where "fuzz_NAME -merge=1" carries the useful ones into tests/fuzz/corpus.
set -eu
source=$1
seconds=$2
shift 2

if ! command -v clang >/dev/null; then
	echo "fuzz: clang is needed: apt-get install clang libclang-rt-dev" >&2
	exit 1
fi
mkdir -p _fuzz
cd _fuzz
if ! echo 'int LLVMFuzzerTestOneInput(void){return 0;}' |
	clang -fsanitize=fuzzer -x c - -o probe 2>/dev/null; then
	echo "fuzz: this clang has no libFuzzer: apt-get install libclang-rt-dev" >&2
	exit 1
fi
[ -f Makefile ] || "$source/configure" -q --enable-sanitizers CC=clang \
	CFLAGS='-g -O1 -fsanitize=fuzzer-no-link'
make -s fuzz-sources
for name; do
	make -s "tests/fuzz/fuzz_$name"
done
for name; do
	mkdir -p "corpus/$name"
	echo "fuzz: $name, $seconds s"
	tests/fuzz/fuzz_"$name" -max_total_time="$seconds" -max_len=70000 -timeout=10 -print_final_stats=1 \
		"corpus/$name" "$source/tests/fuzz/corpus/$name"
done
