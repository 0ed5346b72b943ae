import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Mounted, whyNoMount } from '../testing/mounted.js'

const reason = whyNoMount()

/** Programs through the kernel, in a mount that another process serves: this one may wait for it. */
describe.skipIf(reason !== undefined)(`a mounted filesystem${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let mounted: Mounted
  let outside = ''

  beforeAll(async () => {
    outside = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-outside-')))
    mounted = await Mounted.start({ allowOther: true })
  })
  afterAll(async () => {
    const report = await mounted.stop()
    rmSync(outside, { recursive: true })
    expect(report.log).toEqual([])
  })

  /** Runs a command in a new folder of the mount; it must succeed. */
  async function run(command: string): Promise<string> {
    const { code, out } = await mounted.sh(`set -e; cd "$(mktemp -d -p .)"; ${command}`)
    expect(`${code} ${out}`).toBe(`0 ${out}`)
    return out
  }

  /** A Python program in a new folder of the mount. */
  function python(program: string): Promise<string> {
    return run(`python3 - <<'END'\nimport os, mmap, errno, fcntl\n${program}\nEND`)
  }

  it('creates, writes, reads, renames and removes', async () => {
    expect(await run('echo one > a; cat a; mv a b; test ! -e a; echo two >> b; cat b; rm b; ls | wc -l')).toBe('one\none\ntwo\n0')
  })

  it('keeps names of any bytes, up to 255', async () => {
    const long = 'n'.repeat(255)
    const out = await run(`touch $'\\xff\\n' ${long}; ls | wc -c; ls -b | tail -1; touch ${long}n 2>&1 | grep -c 'too long'`)
    expect(out).toBe('259\n\\377\\n\n1')
  })

  it('lists 5,000 entries while others vanish, each of the rest once', async () => {
    const out = await python(`
for i in range(5000): os.close(os.open('f%d' % i, os.O_CREAT | os.O_WRONLY))
seen = []
for n, entry in enumerate(os.scandir('.')):
  seen.append(entry.name)
  if n < 1000: os.unlink('f%d' % (4999 - n))
kept = set('f%d' % i for i in range(4000))
print(len(seen) == len(set(seen)), kept <= set(seen), sorted(os.listdir('.')) == sorted(kept))`)
    expect(out).toBe('True True True')
  })

  it('removes a tree of thousands', async () => {
    expect(await run('mkdir -p t/{a,b,c}/{x,y}; for d in t/*/*; do (cd $d; seq 500 | xargs touch); done; find t | wc -l; rm -rf t; ls | wc -l')).toBe('3010\n0')
  })

  it('resumes a listing at a remembered place', async () => {
    const program = `
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  DIR *d = opendir("."); struct dirent *e; char names[64][256]; long at[64]; int n = 0;
  while ((e = readdir(d))) { strcpy(names[n], e->d_name); at[n++] = telldir(d); }
  for (int i = n - 2; i >= 0; i--) { seekdir(d, at[i]); e = readdir(d); if (!e || strcmp(e->d_name, names[i + 1])) { printf("lost %s\\n", names[i + 1]); return 1; } }
  printf("%d\\n", n); return 0;
}`
    const { code } = await mounted.sh('command -v cc')
    if (code !== 0) return
    expect(
      await run(`seq 40 | xargs touch; cat > ${outside}/seek.c <<'END'\n${program}\nEND\ncc -o ${outside}/seek ${outside}/seek.c && ${outside}/seek`),
    ).toBe('42')
  })

  it('follows symlinks, and says ELOOP where they have no end', async () => {
    expect(await run('echo x > f; ln -s f s; cat s; readlink s; ln -s l2 l1; ln -s l1 l2; cat l1 2>&1 | grep -c "Too many levels"')).toBe('x\nf\n1')
  })

  it('counts hard links', async () => {
    expect(await run('echo x > a; ln a b; stat -c %h a b; [ a -ef b ] && echo same; rm a; stat -c %h b; cat b; mkdir d; stat -c %h .')).toBe(
      '2\n2\nsame\n1\nx\n3',
    )
  })

  it('exchanges and refuses to replace', async () => {
    const out = await python(`
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(a, b, flags): return 0 if libc.renameat2(-100, a, -100, b, flags) == 0 else errno.errorcode[ctypes.get_errno()]
open('a', 'w').write('A'); open('b', 'w').write('B')
print(renameat2(b'a', b'b', 1), renameat2(b'a', b'b', 2), open('a').read(), open('b').read(), renameat2(b'a', b'c', 1), os.listdir('.'))`)
    expect(out).toMatch(/^EEXIST 0 B A 0 \[('b', 'c'|'c', 'b')\]$/)
  })

  it('never shows a gap to one who opens a name that is being replaced', async () => {
    const out = await python(`
open('f', 'w').write('0')
pid = os.fork()
if pid == 0:
  for i in range(500): open('t', 'w').write('x'); os.rename('t', 'f')
  os._exit(0)
missing = 0
while os.waitpid(pid, os.WNOHANG)[0] == 0:
  try: os.close(os.open('f', os.O_RDONLY))
  except FileNotFoundError: missing += 1
print(missing)`)
    expect(out).toBe('0')
  })

  it('keeps an unlinked file for whoever has it open', async () => {
    expect(
      await python(`
f = open('f', 'w+'); f.write('still here'); f.flush(); os.unlink('f')
f.seek(0); print(f.read(), os.fstat(f.fileno()).st_nlink, os.listdir('.'))`),
    ).toBe('still here 0 []')
  })

  it('shows a file that grows without holes to whoever reads it meanwhile', async () => {
    const out = await python(`
import subprocess, sys
reader = '''
import sys
wrong = 0
while True:
  b = open('log', 'rb').read()
  wrong += b.count(0)
  if b.endswith(b'end'): break
print(wrong)
'''
open('log', 'w').close()
os.unlink('log')
fd = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
readers = [subprocess.Popen([sys.executable, '-c', reader], stdout=subprocess.PIPE, text=True) for _ in range(2)]
for i in range(4000): os.write(fd, b'line %06d of the log\\n' % i)
os.write(fd, b'end')
print(*[r.communicate()[0].strip() for r in readers])`)
    expect(out).toBe('0 0')
  })

  it('appends from two processes without losing a line', async () => {
    expect(await run('for w in 1 2; do (for i in $(seq 300); do echo "$w $i" >> log; done) & done; wait; wc -l < log; sort -u log | wc -l')).toBe('600\n600')
  })

  it('maps files into memory, shared', async () => {
    expect(
      await python(`
f = open('m', 'w+b'); f.truncate(300000)
m = mmap.mmap(f.fileno(), 300000); m[0:5] = b'hello'; m[200000:200005] = b'world'; m.flush(); m.close(); f.close()
data = open('m', 'rb').read(); print(data[0:5], data[200000:200005], len(data), data.count(0))
g = open('m', 'r+b'); v = mmap.mmap(g.fileno(), 0); os.pwrite(g.fileno(), b'HELLO', 0); print(v[0:5])`),
    ).toBe("b'hello' b'world' 300000 299990\nb'HELLO'")
  })

  it('truncates both ways', async () => {
    expect(await run('printf 0123456789 > f; truncate -s 4 f; cat f; echo; truncate -s 8 f; od -An -c f | tr -d " "; : > f; stat -c %s f')).toBe(
      '0123\n0123\\0\\0\\0\\0\n0',
    )
  })

  it('punches holes, finds them, and counts what is left', async () => {
    const out = await python(`
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open('h', os.O_CREAT | os.O_RDWR)
os.pwrite(fd, b'x' * 1048576, 0)
before = os.fstat(fd).st_blocks
r = libc.fallocate(fd, 3, ctypes.c_long(262144), ctypes.c_long(524288))
after = os.fstat(fd).st_blocks
print(r, before, after, os.lseek(fd, 0, os.SEEK_HOLE), os.lseek(fd, 262144, os.SEEK_DATA), os.fstat(fd).st_size, os.pread(fd, 4, 300000))
libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(2097152)); print(os.fstat(fd).st_size)`)
    expect(out).toBe("0 2048 1024 262144 786432 1048576 b'\\x00\\x00\\x00\\x00'\n2097152")
  })

  it('reaches far in a sparse file', async () => {
    expect(
      await run('truncate -s 100G s; printf end | dd of=s bs=1 seek=107374182397 conv=notrunc status=none; tail -c 3 s; echo; stat -c %s s; du -k s | cut -f1'),
    ).toBe('end\n107374182400\n64')
  })

  it('stores extended attributes', async () => {
    expect(
      await python(`
open('f', 'w')
os.setxattr('f', 'user.a', b'one'); os.setxattr('f', 'user.big', b'v' * 60000)
print(os.getxattr('f', 'user.a'), len(os.getxattr('f', 'user.big')), sorted(os.listxattr('f')))
for call in (lambda: os.setxattr('f', 'user.a', b'', os.XATTR_CREATE), lambda: os.setxattr('f', 'user.n', b'', os.XATTR_REPLACE), lambda: os.removexattr('f', 'user.n')):
  try: call()
  except OSError as e: print(errno.errorcode[e.errno])
os.removexattr('f', 'user.a'); print(os.listxattr('f'))`),
    ).toBe("b'one' 60000 ['user.a', 'user.big']\nEEXIST\nENODATA\nENODATA\n['user.big']")
  })

  it('keeps modes, times and kinds', async () => {
    expect(
      await run(
        "touch -d '2001-02-03 04:05:06.123456789 UTC' f; chmod 4751 f; TZ=UTC stat -c '%a %y' f; mkfifo p; stat -c %F p; mkdir -m 1777 d; stat -c %a d",
      ),
    ).toBe('4751 2001-02-03 04:05:06.123456789 +0000\nfifo\n1777')
  })

  it('clears setuid when another user writes, truncates or the owner changes', async () => {
    const out = await python(`
os.chmod('.', 0o777)
def fresh(name):
  open(name, 'w').write('x'); os.chmod(name, 0o6777)
fresh('w'); fresh('t'); fresh('c'); fresh('r')
os.chown('c', 7, 7); open('r', 'a').write('y')
pid = os.fork()
if pid == 0:
  os.setgid(12345); os.setuid(12345)
  open('w', 'a').write('y'); os.truncate('t', 0); os._exit(0)
print(os.waitpid(pid, 0)[1], *[oct(os.stat(n).st_mode & 0o7777) for n in 'wtcr'])`)
    expect(out).toBe('0 0o777 0o777 0o777 0o6777')
  })

  it('gives new files to who made them, and to the group of a setgid directory', async () => {
    const out = await python(`
os.chmod('.', 0o777); os.mkdir('d'); os.chown('d', 0, 77); os.chmod('d', 0o2777)
pid = os.fork()
if pid == 0:
  os.setgid(12345); os.setuid(12345); os.umask(0o027)
  os.mkdir('d/s'); open('d/f', 'w'); os.symlink('x', 'd/l'); os._exit(0)
print(os.waitpid(pid, 0)[1])
for n in ('s', 'f', 'l'):
  s = os.lstat('d/' + n); print(oct(s.st_mode), s.st_uid, s.st_gid)`)
    expect(out).toBe('0\n0o42750 12345 77\n0o100640 12345 77\n0o120777 12345 77')
  })

  it('refuses what permissions forbid', async () => {
    const out = await python(`
os.mkdir('d', 0o700); open('d/f', 'w'); open('g', 'w'); os.chmod('g', 0o600)
pid = os.fork()
if pid == 0:
  os.setgid(12345); os.setuid(12345); failed = 0
  for call in (lambda: os.stat('d/f'), lambda: open('g'), lambda: os.unlink('g')):
    try: call()
    except PermissionError: failed += 1
  os._exit(failed)
print(os.waitpid(pid, 0)[1] >> 8)`)
    expect(out).toBe('3')
  })

  it('locks between processes', async () => {
    expect(await run('exec 9> l; flock -n 9; flock -n l -c true || echo locked; exec 9>&-; flock -n l -c "echo free"')).toBe('locked\nfree')
  })

  it('makes files immutable, even for root', async () => {
    expect(
      await run(
        'echo x > f; chattr +i f; lsattr f | cut -c5; echo y 2>&1 > f | grep -c permitted || true; rm -f f 2>&1 | grep -c permitted; chattr -i f; rm f; ls | wc -l',
      ),
    ).toContain('\n0')
  })

  it('copies within itself', async () => {
    expect(await run('head -c 3000000 /dev/urandom > a; cp a b; cmp a b && echo same; cp --sparse=always a c; cmp a c && echo same')).toBe('same\nsame')
  })

  it('shows a size and free space', async () => {
    expect(await run('df --output=fstype,avail . | tail -1')).toMatch(/^fuse\.cairn +\d{6,}$/)
  })

  it('holds a git repository and unpacks a tar', async () => {
    const git = 'git -c init.defaultBranch=main -c user.name=n -c user.email=e'
    expect(
      await run(
        `${git} init -q .; mkdir s; for i in $(seq 50); do echo $i > s/$i; done; git add .; ${git} commit -qm one; git status --porcelain | wc -l; git fsck 2>&1 | grep -vc ^notice || true; git log --oneline | wc -l`,
      ),
    ).toBe('0\n0\n1')
    expect(
      await run(
        'mkdir a; (cd a; mkdir -p x/y; echo 1 > x/y/1; ln -s 1 x/y/2; ln x/y/1 x/3); mkdir b; tar cf - a | tar xf - -C b; diff -r a b/a && stat -c %h b/a/x/3',
      ),
    ).toBe('2')
  })
})
