#!/usr/bin/env bash
# The README's program is examples/2_autograd.cc from its first #include on, and what it prints is what it is tested for.
set -euo pipefail
block() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" README.md | sed '/^```/d'; }
diff <(block cpp) <(sed -n '/^#include/,$p' examples/2_autograd.cc)
diff <(block text | sed -n '/^\$ .*2_autograd/,/^[^0-9$]/{/^[0-9]/p}') examples/expected/2_autograd.txt
