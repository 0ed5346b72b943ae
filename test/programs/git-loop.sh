#!/bin/bash
# git-loop.sh run DIR COUNT ACK     commits in a loop; after each its id goes to ACK
# git-loop.sh check DIR ACK         fsck, every acknowledged commit is there and whole, the last one is in the branch
set -eu
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
dir=$2
if [ "$1" = run ]; then
  count=$3 ack=$4
  git init -q -b main "$dir"
  cd "$dir"
  for ((i = 1; i <= count; i++)); do
    mkdir -p "d$((i % 5))"
    echo "line $i" >>"d$((i % 5))/log"
    head -c $((i * 997 % 20000)) /dev/zero | tr '\0' 'x' >"d$((i % 5))/f$((i % 17))"
    echo "$i" >counter
    git add -A
    git commit -q -m "commit $i"
    git rev-parse HEAD >>"$ack"
    if ((i % 15 == 0)); then git -c gc.auto=0 repack -adq; fi
  done
  git fsck --strict --no-dangling
  test -z "$(git status --porcelain)"
  test "$(git rev-list --count HEAD)" = "$count"
else
  ack=$3
  [ -s "$ack" ] || exit 0
  cd "$dir"
  find .git -name '*.lock' -delete
  git fsck --strict --no-dangling
  n=0
  while read -r id; do
    n=$((n + 1))
    test "$(git show "$id:counter")" = "$n"
    git merge-base --is-ancestor "$id" HEAD
  done <"$ack"
  echo "$n"
fi
