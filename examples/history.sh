#!/usr/bin/env bash
# The story of a workspace for an agent: checkpoint, something breaks, undo; three attempts at once, the best one merged.
# Run it in a checkout after `npm ci`: examples/history.sh   (no mount and no server are needed)
set -euo pipefail
cairn=${CAIRN:-$(dirname "$0")/../bin/cairn}
folder=$(mktemp -d)
export CAIRN_HOME=$folder/home
trap 'rm -rf "$folder"' EXIT

"$cairn" init work >/dev/null
"$cairn" mkdir work:/src
printf 'def add(a, b):\n    return a + b\n' | "$cairn" write work:/src/sum.py
printf 'Sums.\n' | "$cairn" write work:/README.md
"$cairn" checkpoint save work good -m 'all tests pass'

echo '-- an agent breaks things'
printf 'def add(a, b):\n    return a - b\n' | "$cairn" write work:/src/sum.py
"$cairn" rm work:/README.md
"$cairn" diff work || true

echo '-- undo'
"$cairn" undo work --since good
"$cairn" cat work:/src/sum.py
"$cairn" diff work && echo 'nothing differs from the checkpoint'

echo '-- three attempts from one state'
"$cairn" fork work try --count 3
for i in 1 2 3; do
  printf 'def add(*numbers):\n    return sum(numbers)  # attempt %s\n' "$i" | "$cairn" write "try-$i:/src/sum.py"
done
"$cairn" mv try-2:/src try-2:/lib
printf 'Sums of any length.\n' | "$cairn" write work:/README.md # meanwhile
"$cairn" diff try-2 --stat || true

echo '-- the best one is merged'
"$cairn" merge try-2 --into work
"$cairn" cat work:/lib/sum.py work:/README.md
"$cairn" volumes --tree | sed 's/  from .*//'
