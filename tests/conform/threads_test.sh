#!/usr/bin/env bash
# threads_test.sh SY: results have the same bits with 1, 2 and 4 threads, for every op.
set -euo pipefail
for threads in 1 2 4; do
  SY_THREADS=$threads "$1" conform --level core --large --device cpu:0 --jobs 1 --digests "$TEST_TMPDIR/$threads"
done
for threads in 2 4; do
  diff "$TEST_TMPDIR/1" "$TEST_TMPDIR/$threads" | head -20
  cmp "$TEST_TMPDIR/1" "$TEST_TMPDIR/$threads"
done
