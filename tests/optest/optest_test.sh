#!/usr/bin/env bash
# optest_test.sh SY REFUSALS ARGS...: every op on one device, nothing refused but what the list says.
# Where COMPILE_KEPT names that program, NVIDIA's own compiler then takes each kernel for every
# architecture.
set -euo pipefail
sy=$1 refusals=$2
shift 2
if [ -z "${COMPILE_KEPT:-}" ]; then
  "$sy" optest --refusals "$refusals" "$@"
else
  texts=$TEST_TMPDIR/texts
  SOFT_CUDA_NVRTC=off SOFT_CUDA_KEEP=$texts "$sy" optest --refusals "$refusals" "$@"
  "$COMPILE_KEPT" "$texts"
fi
