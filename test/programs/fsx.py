"""A writer in the manner of fsx: random writes, appends, truncations and stores through a mapping, on one file.

fsx.py run FILE SEED COUNT ACK   does them and checks what it reads; after each, its number goes to ACK
fsx.py check FILE SEED ACK       FILE holds exactly what was acknowledged; of the operation under way, any part
"""
import mmap
import os
import random
import sys

SIZE = 600_000


def operations(seed):
    r = random.Random(seed)
    while True:
        kind = r.choice(['write', 'write', 'write', 'append', 'truncate', 'map', 'read'])
        at = r.randrange(SIZE)
        length = r.choice([1, 100, 3000, 4096, 65536, 65537, 150_000])
        yield kind, at, length, r.randrange(256)


def pattern(length, salt):
    return bytes((i * 7 + (i >> 8) + salt) & 255 for i in range(256)) * (length // 256 + 1)


def apply(model, op):
    """What an operation leaves of a bytearray."""
    kind, at, length, salt = op
    if kind == 'write':
        if len(model) < at:
            model.extend(bytes(at - len(model)))
        model[at:at + length] = pattern(length, salt)[:length]
    elif kind == 'append':
        if len(model) + length < 2 * SIZE:
            model += pattern(length, salt)[:length]
    elif kind == 'truncate':
        if at < len(model):
            del model[at:]
        else:
            model.extend(bytes(at - len(model)))
    elif kind == 'map' and at < len(model):
        n = min(length, len(model) - at)
        model[at:at + n] = pattern(n, salt)[:n]


def perform(fd, appending, size, op):
    kind, at, length, salt = op
    if kind == 'write':
        write_all(fd, pattern(length, salt)[:length], at)
    elif kind == 'append':
        if size + length < 2 * SIZE:
            done = 0
            while done < length:
                done += os.write(appending, pattern(length, salt)[done:length])
    elif kind == 'truncate':
        os.ftruncate(fd, at)
    elif kind == 'map' and at < size:
        n = min(length, size - at)
        with mmap.mmap(fd, size) as m:
            m[at:at + n] = pattern(n, salt)[:n]
            m.flush()


def write_all(fd, data, at):
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], at + done)


def run(path, seed, count, ack):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    appending = os.open(path, os.O_WRONLY | os.O_APPEND)
    acks = os.open(ack, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    model = bytearray()
    for i, op in enumerate(operations(seed)):
        if i == count:
            break
        perform(fd, appending, len(model), op)
        apply(model, op)
        if op[0] == 'read' and os.pread(fd, op[2], op[1]) != bytes(model[op[1]:op[1] + op[2]]):
            sys.exit(f'read differs at operation {i}: {op}')
        os.pwrite(acks, b'%d\n' % (i + 1), 0)
    os.close(fd)
    compare(path, model, model)


def compare(path, before, after):
    with open(path, 'rb') as f:
        found = f.read()
    low, high = sorted((len(before), len(after)))
    if not low <= len(found) <= high:
        sys.exit(f'{path} has {len(found)} bytes, not {low} to {high}')
    for start in range(0, len(found), 4096):
        piece = found[start:start + 4096]
        a = bytes(before[start:start + 4096])
        b = bytes(after[start:start + 4096])
        if piece == a[:len(piece)] or piece == b[:len(piece)]:
            continue
        for i, byte in enumerate(piece):
            if byte not in (a[i] if i < len(a) else 0, b[i] if i < len(b) else 0):
                sys.exit(f'{path} is wrong at byte {start + i}')


def check(path, seed, ack):
    done = int(open(ack).read() or 0) if os.path.exists(ack) else 0
    before = bytearray()
    source = operations(seed)
    for _ in range(done):
        apply(before, next(source))
    after = bytearray(before)
    apply(after, next(source))
    if done == 0 and not os.path.exists(path):
        return
    compare(path, before, after)
    print(done)


if sys.argv[1] == 'run':
    run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
else:
    check(sys.argv[2], int(sys.argv[3]), sys.argv[4])
