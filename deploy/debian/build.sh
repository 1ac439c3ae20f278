#!/usr/bin/env bash
# Makes hening_VERSION_ARCH.deb from the wheel that lies in OUT, beside it: build.sh PYTHON OUT
# PYTHON has pip; the package's own environment is made with Debian's python3 (ADR 66). What it
# depends on comes by hash from requirements/run.txt here, so that installing needs no network.
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
python=$(basename "$(readlink -f /usr/bin/python3)") # python3.13, which is a package's name as well
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root home=$stage/root/opt/hening
mkdir -p "$root/DEBIAN" "$stage/debian"

# The environment. It is made here and moved, so what names the place where it was made goes:
# scripts get the final path, pyvenv.cfg loses a comment, dpkg knows the files in place of RECORD.
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
# Compiled here: the service's user may not write there. The packages never change in place. What
# was imported meanwhile is compiled again (-f), for it would name the place where it was made.
"$home/bin/python" -m compileall -f -q -s "$root" -p / --invalidation-mode unchecked-hash "$home/lib"

# Completions are click's, made by the programs themselves.
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

# Which of Debian's libraries the compiled modules need.
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
