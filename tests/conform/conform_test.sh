#!/usr/bin/env bash
# conform_test.sh SY ARGS...: `sy conform` on a device, where nothing may fall back.
# Where COMPILE_KEPT names that program, NVIDIA's own compiler then takes each kernel for every
# architecture.
set -euo pipefail
sy=$1
shift
if [ -z "${COMPILE_KEPT:-}" ]; then
  "$sy" conform --strict --jobs 1 "$@"
else
  texts=$TEST_TMPDIR/texts
  SOFT_CUDA_NVRTC=off SOFT_CUDA_KEEP=$texts "$sy" conform --strict --jobs 1 "$@"
  "$COMPILE_KEPT" "$texts"
fi
