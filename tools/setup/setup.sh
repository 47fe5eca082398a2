#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing, then fetches the data files
# (fetch_data.py). Quiet and quick when nothing is missing. Called by ./dev; `setup.sh --packages`
# stops before the data, `setup.sh --tests` fetches what only tests read, too.
set -euo pipefail
cd "$(dirname "$0")/../.."

die() { echo "setup: $*" >&2; exit 1; }

missing_packages() {
  sed 's/#.*//' tools/setup/packages.txt | while read -r name; do
    [ -n "$name" ] || continue
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
  done
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    command -v "${BAZEL:-bazel}" >/dev/null && return 0   # another system, set up by hand
    die "this is no Debian system; install by hand what tools/setup/packages.txt lists"
  fi
  local missing sudo=""
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "Debian packages are missing and this is neither root nor has sudo: ${missing[*]}"
    sudo="sudo"
  fi
  echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
  # The package lists are asked for only where they do not know one of the names.
  if ! apt-cache show --no-all-versions "${missing[@]}" >/dev/null 2>&1; then
    echo "+ apt-get update"
    $sudo apt-get update -q || die "apt-get update failed; is the network reachable?"
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
             -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  echo "+ apt-get install -y --no-install-recommends (${#missing[@]} packages)"
  if ! $sudo "${apt[@]}" "${missing[@]}"; then
    echo "+ apt-get update   (the first try failed; the package lists may be old)"
    { $sudo apt-get update -q && $sudo "${apt[@]}" "${missing[@]}"; } ||
      die "apt-get could not install: ${missing[*]}"
  fi
}

install_packages
tools/setup/fetch_abseil.sh
[ "${1:-}" = --packages ] || python3 tools/setup/fetch_data.py "$@"
