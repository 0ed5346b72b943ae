"""Writes files below a folder, each with an fsync of its own, and says when each is durable: FOLDER COUNT [NAME]."""
import os
import sys

folder, count = sys.argv[1], int(sys.argv[2])
name = sys.argv[3] if len(sys.argv) > 3 else 'file'
for i in range(count):
    fd = os.open(f'{folder}/{name}-{i}', os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, f'content of {name}-{i}'.encode())
    os.fsync(fd)
    os.close(fd)
    print(i, flush=True)
