#!/usr/bin/env bash
# The ABI's layout against layout.txt: within a struct old lines must come first and unchanged, new ones may
# follow. Every compiler and standard must give one layout.
#   layout_test.sh HEADER_FOLDER layout.c layout.txt
set -euo pipefail
headers=$1 source=$2 golden=$3
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/layout.XXXXXX")
status=0

for spec in gcc:c99 gcc:c11 gcc:c17 clang:c99 clang:c17 g++:c++11 g++:c++20 clang++:c++17; do
  compiler=${spec%%:*} standard=${spec##*:}
  command -v "$compiler" >/dev/null || { echo "skipped: no $compiler"; continue; }
  language=c
  [[ $standard == c++* ]] && language=c++
  "$compiler" -x "$language" "-std=$standard" -pedantic -Wall -Wextra -Werror "-I$headers" \
    "$source" -o "$work/layout"
  "$work/layout" >"$work/new" || status=1
  [ -f "$work/first" ] || cp "$work/new" "$work/first"
  cmp "$work/first" "$work/new" || { echo "$spec gives another layout"; status=1; }
done

# A field line may not change; a struct of layout.txt may not vanish or shrink.
awk -v golden="$golden" '
  $2 == "size" { if (FILENAME == golden) old_size[$1] = $3; else new_size[$1] = $3; next }
  FILENAME == golden { old[$1, ++old_count[$1]] = $0; next }
  { new[$1, ++new_count[$1]] = $0 }
  END {
    for (type in old_size) {
      if (new_size[type] < old_size[type]) { print type ": size " new_size[type] ", was " old_size[type]; bad = 1 }
      for (i = 1; i <= old_count[type]; ++i)
        if (old[type, i] != new[type, i]) { print type ": is \"" new[type, i] "\", was \"" old[type, i] "\""; bad = 1 }
      if (new_count[type] > old_count[type]) grown = grown " " type
    }
    if (grown) print "grown, add to layout.txt:" grown
    exit bad
  }' "$golden" "$work/first" || status=1

cmp -s "$golden" "$work/first" || { echo "layout.txt is not fresh: write the output of layout.c into it"; status=1; }
exit $status
