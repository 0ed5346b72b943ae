import { assert, type FsCase, type FsContext, fails } from './fs-case.js'

async function plant({ p, root }: FsContext): Promise<void> {
  await p.mkdir(`${root}/t/a/b`, { recursive: true })
  await p.mkdir(`${root}/t/empty`)
  await p.writeFile(`${root}/t/1`, 'one')
  await p.writeFile(`${root}/t/a/2`, 'two', { mode: 0o700 })
  await p.writeFile(`${root}/t/a/b/3`, 'three')
  await p.symlink('1', `${root}/t/link`)
}

const readdirs: FsCase = {
  name: 'readdir: sorted names, entries with kinds, buffers, recursive',
  async run(t) {
    const { p, root } = t
    await plant(t)
    assert.deepEqual(await p.readdir(`${root}/t`), ['1', 'a', 'empty', 'link'])
    const typed = await p.readdir(`${root}/t`, { withFileTypes: true })
    const kinds = typed.map(e => [e.name, e.isFile(), e.isDirectory(), e.isSymbolicLink(), e.parentPath])
    assert.deepEqual(kinds, [
      ['1', true, false, false, `${root}/t`],
      ['a', false, true, false, `${root}/t`],
      ['empty', false, true, false, `${root}/t`],
      ['link', false, false, true, `${root}/t`],
    ])
    assert.deepEqual(await p.readdir(`${root}/t/a`, 'buffer'), [Buffer.from('2'), Buffer.from('b')])
    const all = await p.readdir(`${root}/t`, { recursive: true })
    assert.deepEqual(all.sort(), ['1', 'a', 'a/2', 'a/b', 'a/b/3', 'empty', 'link'])
    const deep = await p.readdir(`${root}/t`, { recursive: true, withFileTypes: true })
    assert.deepEqual(
      deep.map(e => `${e.parentPath}/${e.name}`).sort(),
      all.map(name => `${root}/t/${name}`),
    )
    assert.deepEqual(await p.readdir(`${root}/t/empty`), [])
  },
}

const opendirs: FsCase = {
  name: 'opendir: read, iterate, close; entries removed meanwhile do no harm',
  async run({ p, root }) {
    for (let i = 0; i < 100; i++) await p.writeFile(`${root}/f${i}`, '')
    const seen: string[] = []
    const dir = await p.opendir(root, { bufferSize: 7 })
    for await (const entry of dir) {
      assert.ok(entry.isFile())
      seen.push(entry.name)
      await p.rm(`${root}/${entry.name}`)
    }
    assert.equal(new Set(seen).size, 100)
    assert.deepEqual(await p.readdir(root), [])
    await fails(() => dir.read(), { code: 'ERR_DIR_CLOSED' })
    const again = await p.opendir(root)
    assert.equal(again.path, root)
    assert.equal(await again.read(), null)
    await again.close()
  },
}

const many: FsCase = {
  name: 'a directory of some thousand entries lists them all, and goes',
  async run({ p, root }) {
    await p.mkdir(`${root}/d`)
    const names = Array.from({ length: 5000 }, (_, i) => `f${String(i).padStart(5, '0')}`)
    for (const name of names) await p.writeFile(`${root}/d/${name}`, '')
    assert.deepEqual(await p.readdir(`${root}/d`), names)
    await p.rm(`${root}/d`, { recursive: true })
    assert.deepEqual(await p.readdir(root), [])
  },
}

const removal: FsCase = {
  name: 'rm: force, recursive, links are not followed; rmdir only when empty',
  async run(t) {
    const { p, root } = t
    await plant(t)
    await p.rm(`${root}/missing`, { force: true })
    await p.rm(`${root}/missing`, { force: true, recursive: true })
    await fails(p.rm(`${root}/missing`, { recursive: true }), { code: 'ENOENT', path: `${root}/missing` })
    await fails(p.rm(`${root}/t`), { code: 'ERR_FS_EISDIR', path: `${root}/t` })
    await fails(p.rm(`${root}/t`, { force: true }), { code: 'ERR_FS_EISDIR', path: `${root}/t` })
    await p.symlink('t', `${root}/l`)
    await p.rm(`${root}/l`, { recursive: true })
    assert.equal(await p.readFile(`${root}/t/1`, 'utf8'), 'one')
    await p.rm(`${root}/t/1`)
    await p.rmdir(`${root}/t/empty`)
    await p.rm(`${root}/t`, { recursive: true })
    assert.deepEqual(await p.readdir(root), [])
  },
}

const copying: FsCase = {
  name: 'cp: trees, modes, links; recursive, force, errorOnExist, filter, preserveTimestamps',
  async run(t) {
    const { p, root } = t
    await plant(t)
    await fails(p.cp(`${root}/t`, `${root}/u`), { code: 'ERR_FS_EISDIR' })
    await p.cp(`${root}/t`, `${root}/deep/u`, { recursive: true })
    const all = (await p.readdir(`${root}/deep/u`, { recursive: true })).sort()
    assert.deepEqual(all, ['1', 'a', 'a/2', 'a/b', 'a/b/3', 'empty', 'link'])
    assert.equal(await p.readFile(`${root}/deep/u/a/b/3`, 'utf8'), 'three')
    assert.equal((await p.stat(`${root}/deep/u/a/2`)).mode & 0o777, 0o700)
    assert.equal(await p.readlink(`${root}/deep/u/link`), `${root}/t/1`)
    await p.cp(`${root}/t`, `${root}/v`, { recursive: true, verbatimSymlinks: true })
    assert.equal(await p.readlink(`${root}/v/link`), '1')
    await p.cp(`${root}/t`, `${root}/w`, { recursive: true, dereference: true })
    assert.ok((await p.lstat(`${root}/w/link`)).isFile())
    await p.writeFile(`${root}/t/1`, 'new')
    await p.cp(`${root}/t/1`, `${root}/v/1`, { force: false })
    assert.equal(await p.readFile(`${root}/v/1`, 'utf8'), 'one')
    await fails(p.cp(`${root}/t/1`, `${root}/v/1`, { force: false, errorOnExist: true }), { code: 'ERR_FS_CP_EEXIST' })
    await p.cp(`${root}/t/1`, `${root}/v/1`)
    assert.equal(await p.readFile(`${root}/v/1`, 'utf8'), 'new')
    await p.cp(`${root}/t`, `${root}/x`, { recursive: true, filter: source => !source.endsWith('/b') })
    assert.deepEqual((await p.readdir(`${root}/x`, { recursive: true })).sort(), ['1', 'a', 'a/2', 'empty', 'link'])
    await p.cp(`${root}/t`, `${root}/y`, { recursive: true, filter: async source => !source.endsWith('/2') })
    assert.deepEqual(await p.readdir(`${root}/y/a`), ['b'])
    await p.utimes(`${root}/t/1`, 1000, 2000)
    await p.cp(`${root}/t/1`, `${root}/dated`, { preserveTimestamps: true })
    assert.equal((await p.stat(`${root}/dated`)).mtimeMs, 2_000_000)
  },
}

const copyErrors: FsCase = {
  name: 'cp refuses what cannot be: onto itself, into itself, file over directory and back',
  async run(t) {
    const { p, root } = t
    await plant(t)
    await fails(p.cp(`${root}/t`, `${root}/t`, { recursive: true }), { code: 'ERR_FS_CP_EINVAL' })
    await fails(p.cp(`${root}/t`, `${root}/t/a/in`, { recursive: true }), { code: 'ERR_FS_CP_EINVAL' })
    await fails(p.cp(`${root}/t`, `${root}/t/1`, { recursive: true }), { code: 'ERR_FS_CP_DIR_TO_NON_DIR' })
    await fails(p.cp(`${root}/t/1`, `${root}/t/a`), { code: 'ERR_FS_CP_NON_DIR_TO_DIR' })
    await fails(p.cp(`${root}/gone`, `${root}/x`), { code: 'ENOENT' })
    const pair = { dereference: true, verbatimSymlinks: true }
    await fails(p.cp(`${root}/t/1`, `${root}/x`, pair), { code: 'ERR_INCOMPATIBLE_OPTION_PAIR' })
  },
}

export const treeCases: FsCase[] = [readdirs, opendirs, many, removal, copying, copyErrors]
