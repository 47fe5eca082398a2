#!/usr/bin/env bash
# validation_test.sh SY FAULTY ARGS...: ops on vulkan:0 under the Khronos validation layer, with
# synchronisation validation; any message fails. First, the same layer must see a driver that leaves
# its barriers out and one that binds ranges behind its buffers: FAULTY (faulty_vulkan.cc), or its
# silence would mean nothing.
set -euo pipefail
sy=$1 faulty=$2
shift 2
export VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation
export VK_LAYER_ENABLES=VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
messages='Validation (Error|Warning|Performance)|VUID-|SYNC-HAZARD|UNASSIGNED-'

# seen SWITCH WANT: a run whose driver misbehaves so is told of by a message with WANT.
seen() {
  SY_VULKAN_LOADER=$faulty FAULTY_SWITCH=$1 \
    "$sy" conform --here --device vulkan:0 --dtype f32 --op softmax > "$TEST_TMPDIR/$1" 2>&1 || true
  grep -q "$2" "$TEST_TMPDIR/$1" || {
    echo "the validation layer does not see $1; want $2 in:"
    head -20 "$TEST_TMPDIR/$1"
    exit 1
  }
  echo "$1: seen, $(grep -cE "$messages" "$TEST_TMPDIR/$1") messages"
}
seen barriers SYNC-HAZARD
seen ranges VUID-

"$sy" conform --here --strict --device vulkan:0 "$@" > "$TEST_TMPDIR/log" 2>&1 || {
  tail -20 "$TEST_TMPDIR/log"
  exit 1
}
if grep -qE "$messages" "$TEST_TMPDIR/log"; then
  grep -oE "($messages).*" "$TEST_TMPDIR/log" | sed 's/0x[0-9a-f]*/X/g' | cut -c1-500 | sort |
    uniq -c | sort -rn > "$TEST_TMPDIR/kinds"
  head -12 "$TEST_TMPDIR/kinds"
  echo "$(grep -cE "$messages" "$TEST_TMPDIR/log") messages of the validation layer"
  exit 1
fi
tail -1 "$TEST_TMPDIR/log"
