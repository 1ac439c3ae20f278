#!/bin/sh
# Runs a command in a bare root: enter.sh ROOT USER COMMAND…, in new namespaces (root.py).
# The mounts end with these namespaces, however the command ends.
set -eu
root=$1 user=$2
shift 2
cd "$root"
mount --bind . . # pivot_root accepts only a mount point
cd "$root"
mount -t proc proc proc
mount -t tmpfs -o mode=755,nosuid dev dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm dev/shm
for device in full null random tty urandom zero; do
  : > "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
hostname bare
home=$(sed -n "s/^$user:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" etc/passwd)
pivot_root . .
# The machine's own files are mounted over the root now; without them nothing else can be reached.
umount -l .
cd "$home"
exec setpriv --reuid "$user" --regid "$user" --init-groups \
  env -i LANG=C HOME="$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
