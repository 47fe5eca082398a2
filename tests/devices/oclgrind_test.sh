#!/usr/bin/env bash
# oclgrind_test.sh CORE_OPS SY: every kernel on Oclgrind, a device that looks at every access:
# races in a group and between groups, accesses outside buffers, reads of what was never written,
# wrong calls of the API. It takes over by a library in the place of the loader, hence the option.
# Without the pool each tensor is a buffer: else accesses outside of tensors would not be seen.
set -euo pipefail
core_ops=$1 sy=$2
export SY_OPENCL_LOADER=$TEST_TMPDIR/keeping.so SY_CACHE_DIR=off SY_POOL=off
command -v oclgrind > /dev/null || { echo "no oclgrind; ./dev setup installs it"; exit 1; }

# What Oclgrind knows of a buffer (Uninitialized.cpp, ShadowMemory) outlives it and is then taken for
# that of the next one with its number, be it larger. So no buffer is given back. And each time the
# host writes it forgets all but what is written, which of a fill is the last pattern: here a fill is
# one write of the whole buffer.
cat > "$TEST_TMPDIR/keeping.c" << 'EOF'
#include <CL/cl.h>
#include <stdlib.h>
#include <string.h>
cl_int clReleaseMemObject(cl_mem memory) { return (void)memory, CL_SUCCESS; }
cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem memory, const void* pattern, size_t bytes,
                           size_t offset, size_t size, cl_uint waits, const cl_event* wait,
                           cl_event* event) {
  size_t all = 0;
  clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof all, &all, NULL);
  char* data = malloc(all);
  cl_int error = clEnqueueReadBuffer(queue, memory, CL_TRUE, 0, all, data, waits, wait, NULL);
  for (size_t i = 0; i < size; i += bytes) memcpy(data + offset + i, pattern, bytes);
  if (!error) error = clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, all, data, 0, NULL, event);
  free(data);
  return error;
}
EOF
cc -DCL_TARGET_OPENCL_VERSION=120 -shared -fPIC "$TEST_TMPDIR/keeping.c" -o "$SY_OPENCL_LOADER" \
  -Wl,--no-as-needed -L/usr/lib/oclgrind -l:liboclgrind-rt.so

# That it sees: a kernel with a race, a write behind its buffer and a read of what is not there yet.
cat > "$TEST_TMPDIR/racy.cl" << 'EOF'
kernel void racy(global int* y, global int* z) {
  y[0] = get_global_id(0);
  y[5] = 1;
  y[1] = z[0];
}
EOF
printf '%s\n' racy.cl racy '8 1 1' '4 1 1' '<size=16 fill=0>' '<size=16 noinit>' \
  > "$TEST_TMPDIR/racy.sim"
(cd "$TEST_TMPDIR" && oclgrind-kernel --data-races --uninitialized --max-errors 100 racy.sim || true) \
  > "$TEST_TMPDIR/racy" 2>&1
for want in "Invalid write of size 4" "data race" "Uninitialized value"; do
  grep -q "$want" "$TEST_TMPDIR/racy" || {
    echo "oclgrind does not see: $want"
    head -40 "$TEST_TMPDIR/racy"
    exit 1
  }
done

# Unoptimised: --uninitialized does not know the instruction `freeze`, and leaves the kernel.
checked() {  # COMMAND...: its output, or what went wrong
  oclgrind --data-races --uninitialized --check-api --build-options -cl-opt-disable --max-errors 20 \
    --log "$TEST_TMPDIR/log" "$@" > "$TEST_TMPDIR/out" 2>&1 && [ ! -s "$TEST_TMPDIR/log" ] || {
    head -40 "$TEST_TMPDIR/out" >&2
    head -60 "$TEST_TMPDIR/log" >&2
    exit 1
  }
  tail -1 "$TEST_TMPDIR/out"
}
checked "$core_ops" opencl:0
# Ops whose kernels core_ops does not call. core_ops has the calls of several groups and passes; the op
# tests' large ones would take minutes.
for op in argmax cumprod softmax layer_norm conv2d conv2d_grad_input conv2d_grad_weight \
  max_pool2d max_pool2d_grad avg_pool2d avg_pool2d_grad; do
  line=$(checked "$sy" conform --here --strict --device opencl:0 --dtype f32 --op $op)
  echo "$op: $line"
done
# Oclgrind is a processor; a GPU's kernels share memory within groups.
export SY_OPENCL_AS_GPU=on
checked "$core_ops" opencl:0
line=$(checked "$sy" conform --here --strict --device opencl:0 --dtype f32 --op softmax)
echo "as on a GPU, softmax: $line"
