#!/usr/bin/env bash
# verb_test.sh SY: what `sy conform onnx` prints and returns.
set -euo pipefail
sy=$1
out=$TEST_TMPDIR/out
failed=0

# expect CODE TEXT ARGS...: exit code and a text in the output.
expect() {
  local want=$1 text=$2 code=0
  shift 2
  "$sy" conform onnx "$@" >"$out" 2>&1 || code=$?
  if [ "$code" != "$want" ] || ! grep -qF -- "$text" "$out"; then
    echo "FAILED conform onnx $*: exit code $code, want $want, and \"$text\" in:"
    head -c 2000 "$out"
    failed=1
  fi
}

expect 0 "cpu:0: 32 passed, 0 unsupported, 0 failed" --device cpu --op "Arg*"
expect 0 "cpu:0: 34 passed" --op "Arg*,Ceil"
expect 1 "cpu:0: 0 passed, 3 unsupported, 0 failed" --device cpu --op If     # nothing passed
expect 1 "control flow is not supported" --device cpu --op If
expect 1 "no case of" --device cpu --op Nothing
expect 1 "/nowhere: No such file or directory; want ONNX's node tests" /nowhere --device cpu
expect 1 "no device nothing" --device nothing

# A wrong case fails, and is named.
mkdir "$TEST_TMPDIR/cases"
cp -r /usr/share/libonnx-testdata/data/node/test_exp{,_example} "$TEST_TMPDIR/cases"
cp "$TEST_TMPDIR"/cases/test_exp{_example,}/test_data_set_0/output_0.pb
expect 1 "cpu:0: 1 passed, 0 unsupported, 1 failed" "$TEST_TMPDIR/cases" --device cpu
expect 1 "FAILED test_exp" "$TEST_TMPDIR/cases" --device cpu --json "$TEST_TMPDIR/report.json"
python3 - "$TEST_TMPDIR/report.json" <<'PYTHON' || failed=1
import json, sys
report = json.load(open(sys.argv[1]))
[device] = report["devices"]
assert report["schema"] == "switchyard.onnx/1", report
assert (device["device"], device["passed"], device["unsupported"], device["failed"]) == ("cpu:0", 1, 0, 1), device
assert [c["state"] for c in device["cases"]] == ["failed", "pass"], device
assert device["cases"][0]["ops"] == ["Exp"], device
PYTHON
exit $failed
