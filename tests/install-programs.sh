#!/usr/bin/env bash
# Installs the programs that tests run, where that is possible without asking: on Debian, as root.
set -euo pipefail
declare -A packages=([curl]=curl [jq]=jq [faketime]=faketime [ip]=iproute2 [nginx]=nginx [promtool]=prometheus [openssl]=openssl [mke2fs]=e2fsprogs [mkfs.erofs]=erofs-utils [softhsm2-util]=softhsm2 [systemd-analyze]=systemd [/usr/lib/postgresql/17/bin/initdb]=postgresql-17 [node]=nodejs [npm]=npm [chromium]=chromium [/usr/share/mobile-broadband-provider-info/serviceproviders.xml]=mobile-broadband-provider-info [unzip]=unzip [java]=openjdk-21-jre-headless [xmllint]=libxml2-utils [tshark]=tshark [make]=make [git]=git [xz]=xz-utils [restic]=restic [age]=age [mmdebstrap]=mmdebstrap [dpkg-shlibdeps]=dpkg-dev)
missing=()
for program in "${!packages[@]}"; do
  [ -f "$program" ] || command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed, so some tests will not be collected: ${missing[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
