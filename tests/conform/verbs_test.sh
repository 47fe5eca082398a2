#!/usr/bin/env bash
# verbs_test.sh SY MUTANTS: accuracy, fuzz, diff and --explain of `sy conform` find what is planted
# in the plugin of the mutants, and nothing where nothing is.
set -euo pipefail
sy=$1 plugin=$2
out=$TEST_TMPDIR/out
failed=0

# expect CODE TEXT ARGS...: exit code and a text in the output of `sy conform ARGS`.
expect() {
  local want=$1 text=$2 code=0
  shift 2
  "$sy" conform "$@" >"$out" 2>&1 || code=$?
  if [ "$code" != "$want" ] || ! grep -qF -- "$text" "$out"; then
    echo "FAILED conform $*: exit code $code, want $want, and \"$text\" in:"
    head -c 2000 "$out"
    failed=1
  fi
}
mutant() {
  local name=$1
  shift
  SY_MUTANTS_MUTANT=$name "$@"
}

# ---- accuracy: sqrt of f16 is rounded correctly, so the worst of all 65,536 is near half a unit.
expect 0 "sqrt f16: 0.500 ulp at" accuracy --device cpu:0 --op sqrt --dtype f16 --inputs all --limit 0.5001
grep -qF "; 65536 inputs" "$out" || { echo "FAILED: not all inputs of f16"; failed=1; }
# One wrong number of 65,536, and its neighbour 2^53 in f32's order: 0x5a00 alone.
mutant bf16_sqrt_of_one_number expect 1 "at 0x5a00 (" accuracy "$plugin" --op sqrt --dtype bf16 --inputs all --limit 1
# A spread over f32 reaches every exponent: tanh of 1e-5 and of 10 alike. 0.25 is below what anybody has.
expect 1 "inputs" accuracy --device cpu:0 --op exp --dtype f32 --inputs 65536 --limit 0.25
worst=$(sed -n 's/.*ulp at 0x\([0-9a-f]*\) .*/\1/p' "$out")
[ $((16#$worst)) -gt 65536 ] || { echo "FAILED: exp f32: the inputs are the first ones"; cat "$out"; failed=1; }
# An interrupted sweep goes on and comes to the same.
sweep=(accuracy --device cpu:0 --op tanh --dtype f32 --inputs 67108864)
"$sy" conform "${sweep[@]}" >"$TEST_TMPDIR/whole"
"$sy" conform "${sweep[@]}" --state "$TEST_TMPDIR/state" >"$TEST_TMPDIR/cut" 2>&1 & pid=$!
until grep -q parts "$TEST_TMPDIR/state" 2>/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -9 $pid 2>/dev/null || true
wait $pid 2>/dev/null || true
grep -q '"parts": [1-4]' "$TEST_TMPDIR/state" || { echo "FAILED: no state"; failed=1; }
"$sy" conform "${sweep[@]}" --state "$TEST_TMPDIR/state" --markdown "$TEST_TMPDIR/table" >"$TEST_TMPDIR/rest"
cmp "$TEST_TMPDIR/whole" "$TEST_TMPDIR/rest" || failed=1
grep -q '^| `tanh` | 1\.[0-9]* | 0x' "$TEST_TMPDIR/table" || { cat "$TEST_TMPDIR/table"; failed=1; }
expect 1 "want f64, f32, f16 or bf16" accuracy --device cpu:0 --dtype i32
expect 1 "want a number or all" accuracy --device cpu:0 --inputs some
expect 1 "no function of one number matches" accuracy --device cpu:0 --op matmul
expect 1 "nowhere:0" accuracy --device nowhere:0 --op exp

# ---- fuzz: what is right stays right; what is wrong is made small, printed, and can be run again.
expect 0 "0 wrong" fuzz "$plugin" --programs 60
mutant sum_misses_last_block expect 1 "made smaller" fuzz "$plugin" --programs 60 --seed 1 --save "$TEST_TMPDIR/program"
grep -q "sy::sum(" "$out" || { echo "FAILED: the C++ has no sum"; head -50 "$out"; failed=1; }
python3 - "$TEST_TMPDIR/program" <<'EOF' || failed=1
import json, sys
ops = [n["op"] for n in json.load(open(sys.argv[1]))["nodes"]]
assert len(ops) <= 2 and ops[-1] in ("sum", "mean"), ops
EOF
mutant sum_misses_last_block expect 1 "wrong" fuzz "$plugin" --program "$TEST_TMPDIR/program"
expect 0 "right" fuzz "$plugin" --program "$TEST_TMPDIR/program"
echo '{"schema": "switchyard.program/1", "leaves": [], "nodes": [{"op": "neg", "attrs": {}, "in": ["x0"]}]}' >"$TEST_TMPDIR/broken"
expect 1 "reads x0, which is not there" fuzz "$plugin" --program "$TEST_TMPDIR/broken"
expect 1 "cannot read" fuzz "$plugin" --program "$TEST_TMPDIR/missing"

# ---- diff: the planted regression and nothing else.
ops=(--op "add,sqrt,sum" --level core)
expect 0 "conformant" "$plugin" "${ops[@]}" --json "$TEST_TMPDIR/good.json"
mutant bf16_sqrt_of_one_number expect 1 "not conformant" "$plugin" "${ops[@]}" --json "$TEST_TMPDIR/bad.json"
expect 0 "no difference" diff "$TEST_TMPDIR/good.json" "$TEST_TMPDIR/good.json"
expect 1 "worse: " diff "$TEST_TMPDIR/good.json" "$TEST_TMPDIR/bad.json"
python3 - "$out" "$TEST_TMPDIR/bad.json" <<'EOF' || failed=1
import json, sys
lines = open(sys.argv[1]).read().split("\n")
report = json.load(open(sys.argv[2]))
bad = [c["id"] for d in report["devices"] for c in d["cases"] if c["status"] == "fail"]
listed = [l.split()[1] for l in lines if l.startswith("  ")]
assert bad and listed == bad and lines[0] == f"worse: {len(bad)}", (bad, lines)
assert "sqrt/bf16/65536/contiguous/every/forward" in bad, bad
EOF
expect 0 "better: " diff "$TEST_TMPDIR/bad.json" "$TEST_TMPDIR/good.json"
expect 1 "" diff "$TEST_TMPDIR/good.json" "$TEST_TMPDIR/missing.json"

# ---- explain: the wrong element first, with its bits.
id=sqrt/bf16/65536/contiguous/every/forward
mutant bf16_sqrt_of_one_number expect 0 "X [23040] got 67633152" "$plugin" --explain $id
expect 0 "pass; path native" "$plugin" --explain $id
expect 1 "names 0 tests" "$plugin" --explain sqrt/none
exit $failed
