#!/usr/bin/env bash
# The OpenCL plugin, built out of its tree with plain compilers from the installed prefix, is conformant.
set -euo pipefail
work=$TEST_TMPDIR/work
rm -rf "$work"
mkdir -p "$work/opencl"
SWITCHYARD_BUILT=. tools/setup/install.sh "$work/prefix" >"$work/install.log"
cp backends/opencl/*.cc backends/opencl/*.h plugins/opencl/plugin.cc "$work/opencl/"
cd "$work/opencl"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
kit=$(pkg-config --variable=gpu_kitdir switchyard)
flags=(-O2 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -I"$kit" -I.)
# shellcheck disable=SC2046  # words are wanted
flags+=($(pkg-config --cflags switchyard))
mkdir kit
(cd kit && printf '%s\n' "$kit"/*.c | xargs -P2 -I{} cc -std=c11 "${flags[@]}" -c {})
printf '%s\n' ./*.cc | xargs -P2 -I{} c++ -std=c++20 -Wno-missing-field-initializers "${flags[@]}" -c {}
c++ -shared -Wl,-z,defs ./*.o kit/*.o -o libsy_opencl.so -ldl -lpthread
# The installed plugin of the same name stays out.
SY_PLUGINS=cpu,oracle SY_PLUGIN_PATH=$work/prefix/lib/switchyard \
  "$work/prefix/bin/sy" conform ./libsy_opencl.so --strict --dtype f32
