#!/usr/bin/env bash
# Compares the constants of abi.h and abi_libraries.h with NVIDIA's headers, where a toolkit is found
# under CUDA_HOME or its usual prefix; without one there is nothing to compare, and the test says so.
set -euo pipefail
cuda=${CUDA_HOME:-/usr/local/cuda}/include
if [ ! -f "$cuda/cuda.h" ] || [ ! -f "$cuda/cublas_v2.h" ] || [ ! -f "$cuda/nvrtc.h" ]; then
  echo "no CUDA headers in $cuda: nothing was compared"
  exit 0
fi
source=$TEST_TMPDIR/abi.cc
printf '#include <%s>\n' cuda.h nvrtc.h cublas_v2.h >"$source"
sed -nE 's/^  ((CU|CUDA|CUBLAS|NVRTC)_[A-Za-z0-9_]+) = (-?[0-9]+),$/static_assert(\1 == \3, "");/p' \
  "$@" >>"$source"
grep -oE '\b(CUBLAS_OP|CUDA_R|CUBLAS_POINTER_MODE)_[A-Z0-9]+ = [0-9]+' "$@" |
  sed -E 's/.*:(.*) = (.*)/static_assert(\1 == \2, "");/' >>"$source"
# Every entry must exist there with the same number of parameters.
sed -E 's,//.*,,; /^#/d' "$@" | tr -d '\n' | grep -oE 'SOFT_API [^;]*;' |
  sed -E 's/^SOFT_API .*\b((cu|cublas|nvrtc)[A-Za-z0-9_]+)\((.*)\);/\1 \3/' |
  while read -r name parameters; do
    case $name in
      cuGetProcAddress | cuDeviceGetUuid | cuEventElapsedTime) continue ;;  # now names for a _v2
      cublasGemm*Ex) continue ;;                                             # overloaded
    esac
    count=$(tr -cd , <<<"$parameters" | wc -c)
    [ "$parameters" = void ] && count=-1
    echo "static_assert(Parameters(&$name) == $((count + 1)), \"$name\");"
  done >"$TEST_TMPDIR/entries"
{
  echo 'template <class R, class... A> constexpr int Parameters(R (*)(A...)) { return sizeof...(A); }'
  cat "$TEST_TMPDIR/entries"
} >>"$source"
asserts=$(grep -c static_assert "$source")
[ "$asserts" -gt 150 ] || { echo "only $asserts lines were understood"; exit 1; }
"${SOFT_CUDA_CXX:-c++}" -std=c++17 -fsyntax-only -I"$cuda" "$source"
echo "$asserts constants and entries agree with $cuda"
