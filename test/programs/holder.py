"""Holds files of a mount open and mapped, and tells on each line of stdin what it sees of them now."""
import itertools
import mmap
import os
import sys

files = {}
maps = {}
listing = None


def digest(data):
    text = data.decode("latin1").replace("\n", "")
    return text if len(text) < 60 else "%d bytes, %d of them a" % (len(data), data.count(b"a"))


def answer(verb, name="", count="0"):
    global listing
    if verb == "open":
        files[name] = os.open(name, os.O_RDONLY)
        return digest(os.pread(files[name], 1 << 24, 0))
    if verb == "read":
        return digest(os.pread(files[name], 1 << 24, 0))
    if verb == "map":
        maps[name] = mmap.mmap(files[name], 0, prot=mmap.PROT_READ)
        return digest(maps[name][:])
    if verb == "mapped":
        size = os.fstat(files[name]).st_size
        return digest(maps[name][:min(size, len(maps[name]))])
    if verb == "stat":
        return str(os.stat(name).st_size)
    if verb == "fstat":
        found = os.fstat(files[name])
        return "%d bytes, %d links" % (found.st_size, found.st_nlink)
    if verb == "list":
        listing = os.scandir(name)
        return " ".join(sorted(entry.name for entry in itertools.islice(listing, int(count))))
    if verb == "goon":
        return " ".join(sorted(entry.name for entry in listing))
    if verb == "cwd":
        return os.getcwd()
    raise ValueError(verb)


for line in sys.stdin:
    try:
        print(answer(*line.split()), flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
