#!/usr/bin/env bash
# Installs the programs that the benchmarks of the device plane and the cloud run and compare with:
# on Debian, as root.
set -euo pipefail
declare -A packages=([nginx]=nginx [wrk]=wrk [h2load]=nghttp2-client [restic]=restic [restic-rest-server]=restic-rest-server)
missing=()
for program in "${!packages[@]}"; do
  PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed, so nothing is compared with them: ${missing[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" \
  || echo "could not be installed, so nothing is compared with them: ${missing[*]}"
