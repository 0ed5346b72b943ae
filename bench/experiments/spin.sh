#!/bin/sh
# What a spin with sched_yield before poll does to one request, with the client on the loop's CPU and on the other.
#   npm run build && sh bench/experiments/spin.sh          (as root)
host=$(dirname "$0")/../../dist/testing/fuse-host.js
dir=$(mktemp -d)
probe="
import os, time
t = []
for i in range(8000):
  s = time.perf_counter()
  try: os.stat('$dir/missing%d' % i)
  except OSError: pass
  t.append((time.perf_counter() - s) * 1e6)
t.sort(); print('%.1f us, p90 %.1f' % (t[4000], t[7200]))"
for spin in 0 50; do
  for cpu in 0 1; do
    taskset -c $cpu node "$host" "{\"path\":\"$dir\",\"spinUs\":$spin}" > /dev/null &
    until mountpoint -q "$dir"; do :; done
    printf 'spin %s us, loop on CPU %s, client on CPU 0: ' $spin $cpu
    taskset -c 0 python3 -c "$probe"
    umount "$dir"
    wait
  done
done
rmdir "$dir"
