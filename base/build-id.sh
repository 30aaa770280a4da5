#!/bin/sh
# Usage: build-id.sh SRCDIR HEADER FLAGS...
# Writes HEADER with the build id, 40 hexadecimal digits, unless it has it already. Run by make.
set -eu
export LC_ALL=C
srcdir=$1
header=$2
shift 2

id=$(
	{
		printf '%s\n' "$@"
		cat config.h
		cd "$srcdir"
		find base proto evidence pkcs11 daemon client -type f \
			\( -name '*.[ch]' -o -name '*.proto' -o -name '*.def' \) \
			! -name '*.pb-c.[ch]' ! -name build-id.h -print |
			sort | xargs sha1sum
	} | sha1sum | cut -c 1-40
)
new="#define BUILD_ID \"$id\""
old=$(cat "$header" 2>/dev/null || :)
[ "$new" = "$old" ] || printf '%s\n' "$new" >"$header"
