#!/usr/bin/env bash
# oclgrind_test.sh CORE_OPS: every core kernel on Oclgrind, a device that looks at every access:
# races in a group and between groups, accesses outside buffers, wrong calls of the API. It takes
# over by a library in the place of the loader, hence the option. Its --uninitialized is of no use
# here: it tells of values that the host has written; soft CUDA's SOFT_CUDA_CHECK=2 does that work.
set -euo pipefail
export SY_OPENCL_LOADER=liboclgrind-rt.so SY_CACHE_DIR=off
command -v oclgrind > /dev/null || { echo "no oclgrind; ./dev setup installs it"; exit 1; }

# That it sees: a kernel with a race and a write behind its buffer.
cat > "$TEST_TMPDIR/racy.cl" << 'EOF'
kernel void racy(global int* y) {
  y[0] = get_global_id(0);
  y[5] = 1;
}
EOF
printf '%s\n' racy.cl racy '8 1 1' '4 1 1' '<size=16 fill=0>' > "$TEST_TMPDIR/racy.sim"
(cd "$TEST_TMPDIR" && oclgrind-kernel --data-races --max-errors 100 racy.sim || true) \
  > "$TEST_TMPDIR/racy" 2>&1
for want in "Invalid write of size 4" "data race"; do
  grep -q "$want" "$TEST_TMPDIR/racy" || {
    echo "oclgrind does not see: $want"
    head -40 "$TEST_TMPDIR/racy"
    exit 1
  }
done

status=0
oclgrind --data-races --check-api --max-errors 20 --log "$TEST_TMPDIR/log" "$1" opencl:0 \
  2> "$TEST_TMPDIR/err" || status=1
grep -v '^$' "$TEST_TMPDIR/err" | head -40 || true
if [ -s "$TEST_TMPDIR/log" ]; then
  status=1
  head -60 "$TEST_TMPDIR/log"
fi
exit $status
