#!/usr/bin/env bash
# checked_test.sh CORE_OPS SY: kernels on soft CUDA, which looks at every access (SOFT_CUDA_CHECK:
# bounds, races, with 2 reads of what was never written too) or runs threads, warps and blocks in an
# order that it draws (SOFT_CUDA_SHUFFLE): nothing found, and the same bits as in order. That a racy
# and an out-of-range kernel are seen is tested in tests/soft_cuda/check_test.cc.
set -euo pipefail
core_ops=$1 sy=$2
export SY_CACHE_DIR=off SY_POOL=off   # an allocation for each tensor
run() {  # VARIABLE...
  env "$@" "$core_ops" cuda:0 > "$TEST_TMPDIR/out" 2> "$TEST_TMPDIR/err" || {
    cat "$TEST_TMPDIR"/{out,err}
    exit 1
  }
  # Each finding is one line on stderr; nothing else belongs there.
  [ ! -s "$TEST_TMPDIR/err" ] || { head -20 "$TEST_TMPDIR/err"; exit 1; }
  echo "$*: $(cat "$TEST_TMPDIR/out")"
  [ -s "$TEST_TMPDIR/first" ] || cp "$TEST_TMPDIR/out" "$TEST_TMPDIR/first"
  cmp "$TEST_TMPDIR/first" "$TEST_TMPDIR/out"
}
run SOFT_CUDA_SHUFFLE=0
run SOFT_CUDA_CHECK=1
run SOFT_CUDA_CHECK=2
for seed in 1 2 3; do run SOFT_CUDA_SHUFFLE=$seed SOFT_CUDA_THREADS=1; done
run SOFT_CUDA_CHECK=1 SOFT_CUDA_SHUFFLE=4

# Larger calls: more than one block, more than one pass. The `large` cases of the ops whose kernels
# share memory or write where others read.
for op in sum argmax softmax cumsum sort scatter_add; do
  for variables in SOFT_CUDA_SHUFFLE=0 SOFT_CUDA_SHUFFLE=1; do
    env $variables "$sy" conform --here --strict --level core --device cuda:0 --dtype f32 --large --op $op \
      --digests "$TEST_TMPDIR/$op.$variables" > "$TEST_TMPDIR/out" 2>&1 || {
      cat "$TEST_TMPDIR/out"
      exit 1
    }
  done
  cmp "$TEST_TMPDIR/$op".*=0 "$TEST_TMPDIR/$op".*=1
  echo "$op, large: $(tail -1 "$TEST_TMPDIR/out")"
done
