"""The client of bench/mount.mjs: does the same work in two directories in turn, A B A B, and prints the times of each round as JSON:
seconds in all, and of the middle operation, which says what an operation costs on a machine that is busy with other things.

mount-client.py WORK ROUNDS COUNT DIR DIR …        every round of `create` has a directory of its own, which `unlink` empties later
"""
import json
import os
import random
import sqlite3
import sys
import time

KIB = b'a' * 1024
MIB = bytes(random.Random(1).getrandbits(8) for _ in range(65536)) * 16


def each(paths, work):
    clock = time.perf_counter
    times = []
    before = clock()
    for path in paths:
        work(path)
        now = clock()
        times.append(now - before)
        before = now
    times.sort()
    return [sum(times), times[len(times) // 2]]


def once(start):
    took = time.perf_counter() - start
    return [took, took]


def names(directory, round, count):
    return [f'{directory}/r{round}/f{i}' for i in range(count)]


def make(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, KIB)
    os.close(fd)


def look(path):
    fd = os.open(path, os.O_RDONLY)
    os.read(fd, 4096)
    os.close(fd)


def create(directory, round, count):
    os.mkdir(f'{directory}/r{round}')
    return each(names(directory, round, count), make)


def unlink(directory, round, count):
    return each(names(directory, round, count), os.unlink)


def cycle(directory, round, count):
    paths = names(directory, 0, count)
    if round == 0:
        each(paths * 2, look)
    return each(paths, look)


def stat(directory, round, count):
    return each(names(directory, 0, count), os.stat)


def write(directory, round, count):
    """`count` MiB in 1 MiB writes into a fresh file, then fsync."""
    start = time.perf_counter()
    fd = os.open(f'{directory}/big{round}', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    for i in range(count):
        os.pwrite(fd, i.to_bytes(8, 'little') + MIB[8:], i << 20)
    os.fsync(fd)
    os.close(fd)
    return once(start)


def forget(path):
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def drop(directory):
    """The page cache forgets the file, and the packs of the server that may hold it: the same for both sides."""
    forget(f'{directory}/big0')
    for folder, _, files in os.walk(os.environ['STORE']):
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                forget(path)


def read(directory, round, count):
    drop(directory)
    fd = os.open(f'{directory}/big0', os.O_RDONLY)
    buffer = bytearray(1 << 20)
    start = time.perf_counter()
    while os.readv(fd, [buffer]) > 0:
        pass
    result = once(start)
    os.close(fd)
    return result


def randread(directory, round, count):
    drop(directory)
    fd = os.open(f'{directory}/big0', os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    pages = os.fstat(fd).st_size // 4096
    at = random.Random(round)
    offsets = [at.randrange(pages) * 4096 for _ in range(count)]
    result = each(offsets, lambda offset: os.pread(fd, 4096, offset))
    os.close(fd)
    return result


def sqlite(directory, round, count):
    db = sqlite3.connect(f'{directory}/db{round}', isolation_level=None)
    db.execute('pragma journal_mode=wal')
    db.execute('pragma synchronous=full')
    db.execute('create table t (id integer primary key, name text, value blob)')
    result = each(range(count), lambda i: db.execute('insert into t (name, value) values (?, ?)', (f'row {i}', KIB[:100])))
    db.close()
    return result


def main():
    work, rounds, count, *directories = sys.argv[1:]
    results = [[] for _ in directories]
    for round in range(int(rounds)):
        for i, directory in enumerate(directories):
            results[i].append(globals()[work](directory, round, int(count)))
    print(json.dumps(results))


main()
