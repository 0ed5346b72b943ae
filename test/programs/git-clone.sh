#!/bin/bash
# git-clone.sh DIR SCRATCH TIMES: clones a local repository, again and again; each clone is whole.
set -eu
dir=$1 scratch=$2 times=$3
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
source="$scratch/source"
git init -q -b main "$source"
for i in $(seq 1 300); do
  mkdir -p "$source/d$((i % 20))"
  { echo "file $i"; head -c $((i * 331)) /dev/zero | tr '\0' 'y'; } >"$source/d$((i % 20))/f$i"
done
git -C "$source" add -A
git -C "$source" commit -q -m all
for ((t = 1; t <= times; t++)); do
  rm -rf "$dir"
  if ((t % 2)); then git clone -q "file://$source" "$dir"; else git clone -q --no-hardlinks "$source" "$dir"; fi
  git -C "$dir" fsck --strict --no-dangling
  test -z "$(git -C "$dir" status --porcelain)"
  diff -r -x .git "$source" "$dir"
done
