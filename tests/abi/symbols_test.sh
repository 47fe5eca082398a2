#!/usr/bin/env bash
# What the binaries show: libswitchyard.so exactly the functions of libswitchyard.symbols, a plugin sy_plugin_main
# alone; a plugin needs nothing of ours.
#   symbols_test.sh libswitchyard.symbols libswitchyard.so PLUGIN...
set -euo pipefail
golden=$1 library=$2
shift 2
status=0

shown() { nm -D --defined-only "$1" | awk '$2 !~ /[Abdrst]/ { sub("@.*", "", $3); print $3 }' | LC_ALL=C sort -u; }

if ! diff <(LC_ALL=C sort "$golden") <(shown "$library"); then
  echo "FAILED: $library shows other symbols than $golden (< wanted, > there)"
  status=1
fi
needs=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v '^lib[cm]\.so\|^ld-linux\|^libpthread\|^libdl' || true)
[ -z "$needs" ] || { echo "FAILED: $library needs $needs; want libc and libm"; status=1; }

for plugin in "$@"; do
  if [ "$(shown "$plugin")" != sy_plugin_main ]; then
    echo "FAILED: $plugin shows: $(shown "$plugin" | tr '\n' ' ')"
    status=1
  fi
  if nm -D --undefined-only "$plugin" | grep ' sy_'; then
    echo "FAILED: $plugin needs functions of ours; they come in SyHost"
    status=1
  fi
done
exit $status
