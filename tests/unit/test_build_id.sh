#!/bin/sh
# The build id changes with every source and flag, and with nothing else.
set -u
top=${abs_top_srcdir:?make check sets it}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0

check() {
	n=$((n + 1))
	if [ "$2" = "$3" ]; then echo "ok $n - $1"; else echo "not ok $n - $1 ($2, $3)"; fi
}

# id FLAGS: runs the script on the scratch tree and prints the header.
id() {
	(cd "$dir/build" && sh "$top/base/build-id.sh" "$dir/src" base/build-id.h "$@" &&
		cat base/build-id.h)
}

echo 1..8
mkdir -p "$dir/build/base"
for room in base proto evidence pkcs11 daemon/core client/ctl; do
	mkdir -p "$dir/src/$room"
	echo "int x;" >"$dir/src/$room/a.c"
done
echo "/* config */" >"$dir/build/config.h"

first=$(id -O2)
check "it is a line of 40 digits" "$(echo "$first" | sed -E 's/[0-9a-f]{40}/N/')" '#define BUILD_ID "N"'
touch -d 2000-01-01 "$dir/build/base/build-id.h"
check "the same tree gives the same id" "$(id -O2)" "$first"
check "the header is left alone then" "$(stat -c %Y "$dir/build/base/build-id.h")" "$(date -d 2000-01-01 +%s)"
[ "$(id -O1)" != "$first" ]
check "other flags, another id" $? 0
echo "int y;" >>"$dir/src/daemon/core/a.c"
second=$(id -O2)
[ "$second" != "$first" ]
check "another source, another id" $? 0
echo "generated" >"$dir/src/proto/x.pb-c.c"
echo "notes" >"$dir/src/base/README"
check "generated files and papers do not count" "$(id -O2)" "$second"
mv "$dir/src/base/a.c" "$dir/src/base/b.c"
[ "$(id -O2)" != "$second" ]
check "another name, another id" $? 0
echo "#define X 1" >>"$dir/build/config.h"
mv "$dir/src/base/b.c" "$dir/src/base/a.c"
[ "$(id -O2)" != "$second" ]
check "another configuration, another id" $? 0
