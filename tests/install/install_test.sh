#!/usr/bin/env bash
# Installs into an empty prefix, moves the prefix, and uses it without Bazel and without the source tree.
set -euo pipefail
work=$TEST_TMPDIR/work
rm -rf "$work"
mkdir -p "$work"
SWITCHYARD_BUILT=. tools/setup/install.sh "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix examples=$PWD/examples
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
unset SY_PLUGIN_PATH
cd "$work"
say() { echo "--- $*"; }

say "sy finds its plugins"
"$prefix/bin/sy" devices | tee devices.txt
grep -q '^cpu:0 ' devices.txt
grep -q '^tutorial:0 ' devices.txt

say "a C99 program, two compilers"
for compiler in gcc clang; do
  # shellcheck disable=SC2046  # words are wanted
  $compiler -std=c99 -pedantic -Wall -Wextra -Werror "$examples/c_example.c" -o c_example \
    $(pkg-config --cflags --libs switchyard) -Wl,-rpath,"$prefix/lib"
  ./c_example cpu >"c_$compiler.txt"
done
cmp c_gcc.txt c_clang.txt

say "C++ programs, two compilers, by pkg-config"
for source in 1_tensors 2_autograd 3_function 4_nn 5_module notes; do
  for compiler in g++ clang++; do
    # shellcheck disable=SC2046
    $compiler -std=c++20 -Wall -Wextra -Werror "$examples/$source.cc" -o "$source" \
      $(pkg-config --cflags --libs switchyard_formats) -Wl,-rpath,"$prefix/lib"
    ./"$source" cpu >"$source.$compiler.txt"
  done
  cmp "$source.g++.txt" "$source.clang++.txt"
done

say "find_package"
mkdir cmake_project
cat >cmake_project/CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.20)
project(Stranger CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(Switchyard REQUIRED)
add_executable(stranger $examples/5_module.cc)
target_link_libraries(stranger Switchyard::formats)
END
cmake -S cmake_project -B cmake_build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build cmake_build >/dev/null
./cmake_build/stranger cpu >stranger.txt
cmp stranger.txt 5_module.g++.txt

say "a new plugin, from the installed command"
"$prefix/bin/sy" new plugin nova
make -C nova CFLAGS="-O1 -Wall -Wextra -pedantic -Werror" test
SY_PLUGIN_PATH=$PWD/nova "$prefix/bin/sy" devices | grep -q '^nova:0 '
echo "all of it runs"
