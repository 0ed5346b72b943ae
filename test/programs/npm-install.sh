#!/bin/bash
# npm-install.sh DIR SCRATCH TIMES: installs local packages without network, again and again, by `install` and by `ci`; all of it must arrive.
set -eu
dir=$1 scratch=$2 times=$3
mkdir -p "$scratch/tarballs"
dependencies=
for p in one two three four; do
  mkdir -p "$scratch/$p/package/lib"
  echo "{\"name\":\"cairn-test-$p\",\"version\":\"1.0.0\",\"main\":\"lib/f1.js\"}" >"$scratch/$p/package/package.json"
  for i in $(seq 1 40); do
    { echo "module.exports = '$p $i'"; head -c $((i * 613)) /dev/zero | tr '\0' ' '; } >"$scratch/$p/package/lib/f$i.js"
  done
  tar -czf "$scratch/tarballs/$p.tgz" -C "$scratch/$p" package
  dependencies="$dependencies,\"cairn-test-$p\":\"file:$scratch/tarballs/$p.tgz\""
done
mkdir -p "$dir"
cd "$dir"
echo "{\"name\":\"app\",\"version\":\"1.0.0\",\"dependencies\":{${dependencies#,}}}" >package.json
export npm_config_cache="$dir/.cache" npm_config_offline=true npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false HOME="$scratch"
for ((t = 1; t <= times; t++)); do
  if ((t == 1)); then npm install --silent; else npm ci --silent; fi
  for p in one two three four; do diff -r "$scratch/$p/package" "node_modules/cairn-test-$p"; done
  node -e "if (require('cairn-test-three') !== 'three 1') process.exit(1)"
done
