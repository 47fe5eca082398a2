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
conform() {
  "$prefix/bin/sy" conform "$@" >"$work/conform.txt" || { cat "$work/conform.txt"; exit 1; }
  tail -1 "$work/conform.txt"
}

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

programs=(1_tensors 2_autograd 3_function 4_nn 5_module notes)
# with_pkg_config COMPILER PROGRAM...
with_pkg_config() {
  local compiler=$1
  shift
  # shellcheck disable=SC2046
  printf '%s\n' "$@" | xargs -P2 -I{} "$compiler" -std=c++20 -Wall -Wextra -Werror "$examples/{}.cc" \
    -o "{}.$compiler" $(pkg-config --cflags --libs switchyard_formats) -Wl,-rpath,"$prefix/lib"
}
say "C++ programs by pkg-config"
with_pkg_config g++ "${programs[@]}"
for source in "${programs[@]}"; do
  ./"$source".g++ cpu >"$source.txt"
done
with_pkg_config clang++ notes
./notes.clang++ cpu | cmp - notes.txt

# cmake_programs FOLDER COMPILER FLAGS PROGRAM...: by find_package; each prints what it did above.
cmake_programs() {
  local source folder=$1 compiler=$2 flags=$3
  shift 3
  mkdir "$folder"
  {
    echo "cmake_minimum_required(VERSION 3.20)"
    echo "project(Stranger CXX)"
    echo "set(CMAKE_CXX_STANDARD 20)"
    echo "find_package(Switchyard REQUIRED)"
    for source in "$@"; do
      echo "add_executable(p$source $examples/$source.cc)"
      echo "target_link_libraries(p$source Switchyard::formats)"
    done
  } >"$folder/CMakeLists.txt"
  cmake -S "$folder" -B "$folder/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="$flags" >/dev/null
  cmake --build "$folder/build" -j2 >/dev/null
  for source in "$@"; do
    "./$folder/build/p$source" cpu | cmp - "$source.txt"
  done
}
say "C++ programs by find_package"
cmake_programs cmake_g++ g++ "-Wall -Wextra -Werror" notes
cmake_programs cmake_clang++ clang++ "-Wall -Wextra -Werror" "${programs[@]}"
say "C++ programs by find_package, with another standard library"
cmake_programs cmake_libcxx clang++ "-stdlib=libc++ -Wall -Wextra -Werror" \
  "${programs[@]}"

# plugin SOURCE LIBRARY: in an empty folder, with each compiler, a plugin and the C99 program that uses it.
plugin() {
  local compiler flags=(-pedantic -Wall -Wextra -Werror -fPIC -shared -I"$prefix/include" -Wl,-z,defs)
  local use=plugin_${1}_use
  mkdir "$1"
  cp "$examples/plugin_$1.c" "$examples/$use.c" "$1/"
  (
    cd "$1"
    # g++ asks for every member also where members are named; zero is what is meant.
    gcc -std=c99 "${flags[@]}" "plugin_$1.c" -o gcc.so
    clang -std=c99 "${flags[@]}" "plugin_$1.c" -o clang.so
    g++ -x c++ -std=c++20 -Wno-missing-field-initializers "${flags[@]}" "plugin_$1.c" -o g++.so
    for compiler in gcc clang; do
      # shellcheck disable=SC2046
      $compiler -std=c99 -pedantic -Wall -Wextra -Werror $use.c -o $use.$compiler \
        $(pkg-config --cflags --libs switchyard) -Wl,-rpath,"$prefix/lib"
      for library in gcc.so clang.so g++.so; do
        ./$use.$compiler ./$library cpu | cmp - "$examples/expected/$use.txt"
      done
    done
  )
}
say "a plugin that adds an op with a gradient"
plugin op
say "a plugin that adds a kernel to cpu"
plugin kernel
for library in gcc.so clang.so g++.so; do
  conform kernel/$library --device cpu:0 --op conv2d
done

say "a new plugin, from the installed command"
"$prefix/bin/sy" new plugin nova
make -C nova CFLAGS="-O1 -Wall -Wextra -pedantic -Werror" test
SY_PLUGIN_PATH=$PWD/nova "$prefix/bin/sy" devices | grep -q '^nova:0 '
conform nova/libsy_nova.so --strict
# The same file in an empty folder, by every compiler, as C and as C++.
mkdir alone
cp nova/nova.c alone/
for language in "gcc -std=c99" "clang -std=c99" "g++ -x c++ -std=c++20 -Wno-missing-field-initializers" \
  "clang++ -x c++ -std=c++20 -Wno-missing-field-initializers"; do
  (
    cd alone
    # shellcheck disable=SC2086
    $language -O1 -pedantic -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared -I"$prefix/include" nova.c \
      -o nova.so -Wl,-z,defs -lm
    conform ./nova.so --strict --check --op 'a*,conv2d,matmul,sort,sum'
  )
done
echo "all of it runs"
