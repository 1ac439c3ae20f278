#!/usr/bin/env bash
# Builds hening_VERSION_ARCH.deb in OUT from the wheel in OUT: build.sh PYTHON OUT
# PYTHON has pip. The package contains an environment of Debian's python3 (ADR 66), with the
# dependencies in requirements/run.txt, checked by hash, so that installing needs no network.
# The same commit, on the same Debian, gives the same bytes.
set -euo pipefail
umask 022
pip=$1 out=$(realpath "$2")
cd "$(dirname "$0")/../.."
for program in dpkg-deb dpkg-shlibdeps /usr/bin/python3; do
  command -v "$program" > /dev/null || {
    echo "$program is missing: on Debian, apt install dpkg-dev python3" >&2
    exit 3
  }
done
wheels=("$out"/hening-*.whl)
version=$(basename "${wheels[-1]}" | cut -d - -f 2)
python=$(basename "$(readlink -f /usr/bin/python3)") # python3.13, which is also the name of the Debian package
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root home=$stage/root/opt/hening
mkdir -p "$root/DEBIAN" "$stage/debian"

# The environment. It is moved to /opt/hening later, so the path of the build is removed: scripts get
# the final path, pyvenv.cfg loses `command`. RECORD is removed because dpkg knows the files.
"/usr/bin/$python" -m venv --without-pip "$home"
install=("$pip" -m pip --python "$home/bin/python" install --quiet --disable-pip-version-check
  --no-compile --only-binary :all:)
"${install[@]}" --require-hashes -r requirements/run.txt
"${install[@]}" --no-deps --no-index --find-links "$out" "hening==$version"
find "$home/bin" -type f ! -name 'hening*' -delete
sed -i "1s|.*|#!/opt/hening/bin/python|" "$home"/bin/hening*
sed -i '/^command = /d' "$home/pyvenv.cfg"
find "$home" -name RECORD -delete
rm -rf "$home/include" "$home/.gitignore"
# Compiled here, because the service's user cannot write there. Packages never change in place, so
# hashes are not checked. Modules imported during the build are compiled again (-f), because their
# bytecode contains the build's path.
"$home/bin/python" -m compileall -f -q -s "$root" -p / --invalidation-mode unchecked-hash "$home/lib"

# Shell completions, which the programs generate with click.
for program in "$home"/bin/hening*; do
  name=$(basename "$program")
  variable=_$(tr a-z- A-Z_ <<< "$name")_COMPLETE
  for shell in bash zsh fish; do
    case $shell in
      bash) file=bash-completion/completions/$name ;;
      zsh) file=zsh/vendor-completions/_$name ;;
      fish) file=fish/vendor_completions.d/$name.fish ;;
    esac
    mkdir -p "$root/usr/share/$(dirname "$file")"
    env "$variable=${shell}_source" "$home/bin/python" "$program" > "$root/usr/share/$file"
  done
  mkdir -p "$root/usr/bin"
  ln -s "/opt/hening/bin/$name" "$root/usr/bin/$name"
done

install -D -m 644 -t "$root/usr/lib/systemd/system" deploy/systemd/*
install -D -m 644 -t "$root/etc/hening" deploy/debian/hening.toml
install -D -m 644 -t "$root/usr/share/doc/hening/examples" deploy/nginx/* deploy/prometheus/*
install -D -m 644 LICENSE "$root/usr/share/doc/hening/copyright"
install -m 755 -t "$root/DEBIAN" deploy/debian/{postinst,prerm,postrm}
echo /etc/hening/hening.toml > "$root/DEBIAN/conffiles"

# The Debian packages with the libraries that the compiled modules need.
echo "Source: hening" > "$stage/debian/control"
mapfile -t modules < <(find "$home" -name '*.so*' -type f)
libraries=$(cd "$stage" && dpkg-shlibdeps -O --ignore-missing-info "${modules[@]}" 2> shlibdeps.log) \
  || { cat "$stage/shlibdeps.log" >&2; exit 3; }
cat > "$root/DEBIAN/control" <<END
Package: hening
Version: $version
Architecture: $architecture
Maintainer: The maintainers of hening <maintainers@hening.example>
Installed-Size: $(du -sk --apparent-size "$root" | cut -f 1)
Depends: $python, passwd, ${libraries#shlibs:Depends=}
Section: net
Priority: optional
Description: firmware updates for phones that say nothing about their owners
 hening-server publishes signed updates and answers phones. hening-signer makes keys
 and signs releases, offline. hening-device simulates phones.
 .
 They have a Python environment of their own in /opt/hening.
END
dpkg-deb -Zzstd --root-owner-group --build "$root" "$out/hening_${version}_$architecture.deb"
