#!/usr/bin/env bash
# The headers compile alone in an empty folder with every compiler and standard, parse for other machines,
# include nothing but <stddef.h> and <stdint.h>, and say something at every function.
#   header_test.sh sy.h sy_plugin.h sy_plugin_kit.h sy_ops.h
set -euo pipefail
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/header.XXXXXX")
mkdir "$work/switchyard"
cp -L "$1" "$2" "$3" "$4" "$work/switchyard/"
cd "$work"
status=0
fail() { echo "FAILED: $*"; status=1; }

# sy_ops.h with the plugins' headers: kernels read the ops' attributes.
for header in sy.h sy_plugin.h sy_plugin_kit.h sy_ops.h; do
  second=$header
  [ $header = sy_ops.h ] && second=sy_plugin_kit.h
  printf '#include "switchyard/%s"\n#include "switchyard/%s"\nint main(void) { return 0; }\n' $header $second >alone.c
  cp alone.c alone.cc
  # Padding is a matter of what crosses the border, not of the kit's own structs.
  padded=-Wpadded
  [ $second = sy_plugin_kit.h ] && padded=
  for spec in gcc:c99 gcc:c11 gcc:c17 clang:c99 clang:c11 clang:c17 g++:c++11 g++:c++17 g++:c++20 clang++:c++11 \
    clang++:c++17 clang++:c++20; do
    compiler=${spec%%:*} standard=${spec##*:} file=alone.c
    command -v "$compiler" >/dev/null || { echo "skipped: no $compiler"; continue; }
    [[ $standard == c++* ]] && file=alone.cc
    for grow in -DNDEBUG -DSY_ABI_TEST_GROW; do
      # shellcheck disable=SC2086  # an empty $padded is no word
      "$compiler" "-std=$standard" -pedantic -Wall -Wextra $padded -Werror "$grow" -I. -c "$file" -o alone.o ||
        fail "$header with $compiler -std=$standard $grow"
    done
  done
done

if command -v clang >/dev/null; then
  for header in sy.h sy_plugin.h; do
    printf '#include "switchyard/%s"\n' $header >alone.c
    for target in x86_64-pc-windows-msvc i686-linux-gnu arm64-apple-macos aarch64-linux-gnu; do
      clang "--target=$target" -ffreestanding -fsyntax-only -std=c11 -pedantic -Wall -Wextra -Werror -I. alone.c ||
        fail "$header for $target"
    done
  done
fi

bad=$(grep -hn '^ *# *include' switchyard/sy.h switchyard/sy_plugin.h | grep -v '<stddef.h>\|<stdint.h>\|"sy.h"' || true)
[ -z "$bad" ] || fail "includes more than stddef.h and stdint.h: $bad"

# A function, or function pointer of a table, has a comment behind it, above it, or above the group without blank
# lines that it stands in; a text under a section's heading serves the first group. The conventions of sy.h speak
# for retain and release, SyApi repeats sy.h, and a few names say all there is.
for header in sy.h sy_plugin.h; do
  awk -v header=$header '
    /^typedef struct SyApi/ { skip = 1 }
    /^} SyApi;/ { skip = 0 }
    skip { next }
    /^ *$/ { commented = section; section = 0; next }
    /^\/\/ [^-]/ { if (heading) section = 1 }
    { heading = /^\/\/ ---/ || (heading && /^\/\//) }
    /\/\// && !/^\/\/ ---/ { commented = 1 }
    /^typedef|_retain\(|_release\(|sy_device_count\(|sy_stream_create\(|sy_tensor_rank\(|_requires_grad\(/ { next }
    /SY_API .*\(|\(SY_CALL\* *[a-z_A-Z]+\)\(/ && !/^#/ {
      ++functions
      if (!commented) { print header ":" NR ": no comment: " $0; bad = 1 }
    }
    END {
      if (functions < 10) { print header ": only " functions + 0 " functions found"; bad = 1 }
      exit bad
    }' switchyard/$header || fail "$header: functions without a comment"
done
exit $status
