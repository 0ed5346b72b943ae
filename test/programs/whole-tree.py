"""Prints all that a tree has, as JSON: for each path its type, mode, links, time, content, target and extended attributes, and which names are one file."""
import hashlib, json, os, stat, sys

root = os.fsencode(sys.argv[1])
found = {}
first = {}


def content(path, kind):
    if kind == stat.S_IFLNK:
        return os.fsdecode(os.readlink(path))
    if kind != stat.S_IFREG:
        return ''
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def look(path, name):
    s = os.lstat(path)
    kind = stat.S_IFMT(s.st_mode)
    attributes = {k: os.getxattr(path, k, follow_symlinks=False).hex() for k in sorted(os.listxattr(path, follow_symlinks=False))}
    # A directory's size and count of links say nothing that its entries do not.
    links = s.st_nlink if kind != stat.S_IFDIR else 0
    same = first.setdefault(s.st_ino, name)
    # Of directories no time is kept when what stands in them comes back.
    mtime = str(s.st_mtime_ns) if kind != stat.S_IFDIR else ''
    found[name or '/'] = {
        'mode': oct(s.st_mode), 'owner': [s.st_uid, s.st_gid], 'links': links, 'same': same, 'mtime': mtime, 'content': content(path, kind), 'xattrs': attributes,
    }
    if kind == stat.S_IFDIR:
        for entry in sorted(os.listdir(path)):
            look(os.path.join(path, entry), name + '/' + os.fsdecode(entry))


look(root, '')
json.dump(found, sys.stdout)
