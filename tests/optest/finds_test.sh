#!/usr/bin/env bash
# finds_test.sh SY PLUGIN: `sy optest` finds each mistake of the wrong plugin, and holds its list both ways.
set -euo pipefail
sy=$1 plugin=$2
out=$TEST_TMPDIR/out list=$TEST_TMPDIR/list
failed=0

# expect CODE TEXT ARGS...: exit code and a text in the output.
expect() {
  local want=$1 text=$2 code=0
  shift 2
  "$sy" optest "$plugin" "$@" >"$out" 2>&1 || code=$?
  if [ "$code" != "$want" ] || ! grep -qF -- "$text" "$out"; then
    echo "FAILED optest $*: exit code $code, want $want, and \"$text\" in:"
    head -c 2000 "$out"
    failed=1
  fi
}

expect 0 " 0 failed" --op relu
expect 1 "got 7, want" --op neg --dtype f32
expect 0 " 0 failed" --op neg --dtype f64
expect 1 "input 0 was changed" --op abs --dtype f32
expect 1 "other bits when run again" --op sigmoid --dtype f32
expect 1 "no sort kernel" --op sort --dtype f32
echo "f32: sort  # no kernel" >"$list"
expect 0 "refused as listed" --op "s?rt*" --dtype f32 --refusals "$list"   # sqrt passes
echo "f32: relu" >"$list"
expect 1 "was to be refused and was not" --op relu --refusals "$list"
echo "f33: relu" >"$list"
expect 1 "want a dtype and a colon" --op relu --refusals "$list"
expect 1 "cannot read" --op relu --refusals "$list.missing"
expect 1 "no op matches" --op nothing
expect 1 "no dtype f33" --dtype f33
exit $failed
