#!/usr/bin/env bash
# A volume as a real directory: mount, work, checkpoint, break something, diff, fork back.
# Run it in a checkout after `npm ci`: examples/mount-and-fork.sh   (needs /dev/fuse: see `cairn doctor`)
set -euo pipefail
cairn=${CAIRN:-$(dirname "$0")/../bin/cairn}
folder=$(mktemp -d)
export CAIRN_HOME=$folder/home
trap 'for name in work again; do "$cairn" unmount $name --force >/dev/null 2>&1 || true; done; rm -rf "$folder"' EXIT

"$cairn" init work
"$cairn" mount work "$folder/work"

mkdir "$folder/work/src"
printf 'hello\n' >"$folder/work/src/main.txt"
"$cairn" checkpoint save work good

printf 'broken\n' >"$folder/work/src/main.txt"
rm -f "$folder/work/src/other.txt"
"$cairn" diff work@good || true

"$cairn" fork work@good again
"$cairn" mount again "$folder/again"
echo "work: $(cat "$folder/work/src/main.txt"), again: $(cat "$folder/again/src/main.txt")"

"$cairn" unmount again
"$cairn" unmount work
