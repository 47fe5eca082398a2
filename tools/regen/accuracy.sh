#!/usr/bin/env bash
# accuracy.sh SY FILE [STATE]: measures how exact the functions of all devices are and writes FILE,
# docs/accuracy.md. The CPU's part looks at every f32: half an hour on two cores; with STATE, a file,
# an interrupted run goes on from there. By hand: `./dev accuracy`.
set -euo pipefail
sy=$1 file=$2 state=${3:-}
table=$(mktemp)
trap 'rm -f "$table"' EXIT
readonly DEVICES=cpu:0,opencl:0,vulkan:0,cuda:0,tutorial:0
about() { "$sy" devices --json | tail -1 | python3 -c '
import json, sys
for d in json.load(sys.stdin)["devices"]:
    if d["plugin"] != "oracle":
        print("- `%s`: %s%s%s" % (d["device"], d["name"], ", driver " + d["driver"] if d["driver"] else "",
                                  ", a simulator" if d["type"] == "simulator" else ""))'; }
measure() { "$sy" conform accuracy --markdown "$table" "$@" > /dev/null || echo "accuracy.sh: over a limit: $*" >&2; }
{
  cat << 'EOF'
# How exact

Written by `./dev accuracy`, which measures it anew. The largest error of each function, in units in the last place of
the right value (for `lgamma` and `digamma`, which have zeros, of the largest of 1, the value
and, below 0, `lgamma(1 - x)` or `log(1 - x)`). `!`: NaN or infinite where it should not be,
or the reverse. Right values come from the definitions of `conform/cases_*.cc` in long double.
`gelu`, `silu` and `mish` lose digits where the result is tiny: their formulas do, on every device.

EOF
  about
  printf '\n## The CPU, every f32\n\nAll 4,294,967,296 inputs.\n\n'
  measure --device cpu:0 --inputs all --limit 2 --op exp,log,sin,cos,tanh,erf,sqrt \
    ${state:+--state "$state"}
  cat "$table"
  printf '\n## All devices, f32\n\n1,048,576 inputs, spread evenly over all bit patterns.\n\n'
  measure --device $DEVICES
  cat "$table"
  printf '\n## All devices, f64\n\n262,144 inputs, spread evenly over all bit patterns.\n\n'
  measure --device $DEVICES --dtype f64 --inputs 262144
  cat "$table"
  for dtype in f16 bf16; do
    printf '\n## All devices, %s\n\nAll 65,536 inputs.\n\n' $dtype
    measure --device $DEVICES --dtype $dtype --inputs all
    cat "$table"
  done
} > "$file.new"
mv "$file.new" "$file"
