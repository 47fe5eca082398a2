#!/usr/bin/env bash
# finds_test.sh SY PLUGIN: `sy conform` finds each mistake of the wrong plugin, says which, and goes on.
set -euo pipefail
sy=$1 plugin=$2
out=$TEST_TMPDIR/out waivers=$TEST_TMPDIR/waivers
failed=0

# expect CODE TEXT ARGS...: exit code and a text in the output.
expect() {
  local want=$1 text=$2 code=0
  shift 2
  "$sy" conform "$plugin" --level core --jobs 1 "$@" >"$out" 2>&1 || code=$?
  if [ "$code" != "$want" ] || ! grep -qF -- "$text" "$out"; then
    echo "FAILED conform $*: exit code $code, want $want, and \"$text\" in:"
    head -c 2000 "$out"
    failed=1
  fi
}

expect 0 "conformant at level core" --op relu
expect 1 "got 7, want" --op neg --dtype f32
expect 0 "conformant at level core" --op neg --dtype f64
expect 1 "input 0 was changed" --op abs --dtype f32
expect 1 "other bits when run again" --op sigmoid --dtype f32
expect 1 "signal 11" --op exp --dtype f32
expect 1 "crash tutorial:0 exp/f32/4x7/contiguous/range/forward" --op exp --dtype f32
expect 1 "not run: the op has ended its process three times" --op exp --dtype f32 --json "$TEST_TMPDIR/json"
grep -q '"aborted": [1-9]' "$TEST_TMPDIR/json" || { echo "FAILED no aborted tests in the report"; failed=1; }
expect 1 "timeout tutorial:0 log/f32/" --op log --dtype f32 --timeout 1
expect 1 "exit code 7" --op sin --dtype f32
expect 0 "warning" --op atan --dtype f32
expect 1 "no sort kernel" --op sort --dtype f32 --strict
expect 0 "fallback" --op "s?rt*" --dtype f32   # sqrt passes
# A crash and a hang cost the tests of other ops nothing.
expect 1 "again: sy conform $plugin --device tutorial:0 --case 'exp/f32/4x7/contiguous/range/forward'" \
  --op exp,log,sqrt --dtype f32 --timeout 1 --json "$TEST_TMPDIR/json"
python3 - "$TEST_TMPDIR/json" << 'EOF' || failed=1
import json, sys
report = json.load(open(sys.argv[1]))
cases = [c for d in report["devices"] for c in d["cases"]]
assert sum(report["counts"].values()) == len(cases), report["counts"]
sqrt = [c for c in cases if c["id"].startswith("sqrt/")]
assert sqrt and all(c["status"] == "pass" for c in sqrt)
assert report["counts"]["crash"] == 3 and report["counts"]["timeout"] == 3, report["counts"]
EOF

today=$(date -u +%F)
echo "[{\"case\": \"neg/f32/*\", \"reason\": \"known\", \"expires\": \"$today\"}]" >"$waivers"
expect 0 "waived" --op neg --dtype f32 --waivers "$waivers"
echo "[{\"case\": \"relu/*\", \"reason\": \"known\", \"expires\": \"$today\"}]" >"$waivers"
expect 1 "take it off" --op relu --waivers "$waivers"
echo '[{"case": "neg/f32/*", "reason": "known", "expires": "2020-01-31"}]' >"$waivers"
expect 1 "ended on 2020-01-31" --op neg --dtype f32 --waivers "$waivers"
echo '[{"case": "neg/f32/*", "reason": "known"}]' >"$waivers"
expect 1 "want a day such as" --op neg --waivers "$waivers"
echo '[{"test": "neg/f32/*"}]' >"$waivers"
expect 1 'no field "test"' --op neg --waivers "$waivers"
expect 1 "cannot read" --op relu --waivers "$waivers.missing"
expect 1 "no test matches" --op nothing
expect 1 "no dtype f33" --dtype f33
expect 2 "cannot write" --op relu --json /nonexistent/file
plugin=/nonexistent.so expect 2 "nonexistent" --op relu
exit $failed
