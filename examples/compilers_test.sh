#!/usr/bin/env bash
# compilers_test.sh SOURCE...: the sources, which Bazel compiles with g++, compile without a warning with clang++, and
# with clang++ and LLVM's standard library; the one called notes.cc also links and runs against our libraries, which
# were built with another standard library.
set -euo pipefail
flags=(-std=c++20 -Wall -Wextra -Werror -Iapi -I.)
for source in "$@"; do
  clang++ "${flags[@]}" -fsyntax-only "$source"
  clang++ -stdlib=libc++ "${flags[@]}" -fsyntax-only "$source"
done
clang++ -stdlib=libc++ "${flags[@]}" examples/notes.cc -o "$TEST_TMPDIR/notes" -Ldispatcher -Lfrontend/formats \
  -lswitchyard_formats -lswitchyard
LD_LIBRARY_PATH=dispatcher:frontend/formats examples/expect.sh examples/expected/notes.txt cpu "$TEST_TMPDIR/notes"
