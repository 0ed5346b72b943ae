import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import git from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { FileSystem } from '../src/fs/index.js'
import { createFs, LocalBackend, LocalOps, type VolumeFs } from '../src/node/index.js'
import { MemorySession } from '../src/testing/memory-session.js'

const author = { name: 'Ada', email: 'ada@example.org' }
const newFs = (): VolumeFs => createFs(new LocalBackend(new LocalOps(new FileSystem(new MemorySession()))))

/** isomorphic-git takes an `fs` with callbacks, or one that has only `promises`. */
const shapes: Array<[string, () => { fs: VolumeFs; given: Parameters<typeof git.init>[0]['fs'] }]> = [
  [
    'the whole fs',
    () => {
      const fs = newFs()
      return { fs, given: fs as unknown as Parameters<typeof git.init>[0]['fs'] }
    },
  ],
  [
    '{ promises }',
    () => {
      const fs = newFs()
      return { fs, given: { promises: fs.promises } }
    },
  ],
]

describe.each(shapes)('isomorphic-git on a volume, given %s', (_name, make) => {
  it('inits, adds, commits, branches, checks out, and tells the status', async () => {
    const { fs, given } = make()
    const dir = '/repo'
    const repo = { fs: given, dir }
    await fs.promises.mkdir(dir)
    await git.init({ ...repo, defaultBranch: 'main' })
    await fs.promises.mkdir(`${dir}/src`)
    await fs.promises.writeFile(`${dir}/README.md`, '# one\n')
    await fs.promises.writeFile(`${dir}/src/run.sh`, '#!/bin/sh\n', { mode: 0o755 })
    await fs.promises.symlink('README.md', `${dir}/link`)
    for (const filepath of ['README.md', 'src/run.sh', 'link']) await git.add({ ...repo, filepath })
    const first = await git.commit({ ...repo, message: 'first', author })
    assert.deepEqual(
      (await git.statusMatrix(repo)).map(([name, ...status]) => [name, status.join('')]),
      [
        ['README.md', '111'],
        ['link', '111'],
        ['src/run.sh', '111'],
      ],
    )
    await git.branch({ ...repo, ref: 'work', checkout: true })
    await fs.promises.writeFile(`${dir}/README.md`, '# two, and longer\n')
    await fs.promises.rm(`${dir}/src`, { recursive: true })
    assert.equal(await git.status({ ...repo, filepath: 'README.md' }), '*modified')
    assert.equal(await git.status({ ...repo, filepath: 'src/run.sh' }), '*deleted')
    await git.add({ ...repo, filepath: 'README.md' })
    await git.remove({ ...repo, filepath: 'src/run.sh' })
    const second = await git.commit({ ...repo, message: 'second', author })
    await git.checkout({ ...repo, ref: 'main' })
    assert.equal(await fs.promises.readFile(`${dir}/README.md`, 'utf8'), '# one\n')
    assert.equal((await fs.promises.stat(`${dir}/src/run.sh`)).mode & 0o111, 0o111 & ~process.umask())
    assert.equal(await fs.promises.readlink(`${dir}/link`), 'README.md')
    await git.checkout({ ...repo, ref: 'work' })
    assert.equal(fs.existsSync(`${dir}/src/run.sh`), false)
    assert.equal(await fs.promises.readFile(`${dir}/README.md`, 'utf8'), '# two, and longer\n')
    const log = await git.log(repo)
    assert.deepEqual(
      log.map(entry => entry.oid),
      [second, first],
    )
  })
})

/** git http-backend, run as a CGI program. */
function serveGit(root: string): Server {
  return createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const cgi = spawn('git', ['http-backend'], {
      env: {
        ...process.env,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method ?? 'GET',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        REMOTE_USER: 'tester',
        REMOTE_ADDR: '127.0.0.1',
        GIT_PROTOCOL: (request.headers['git-protocol'] as string | undefined) ?? '',
      },
    })
    request.pipe(cgi.stdin)
    const parts: Buffer[] = []
    cgi.stdout.on('data', part => parts.push(part))
    cgi.on('close', () => answer(response, Buffer.concat(parts)))
  })
}

function answer(response: ServerResponse, output: Buffer): void {
  const end = output.indexOf('\r\n\r\n')
  for (const line of output.toString('latin1', 0, end).split('\r\n')) {
    const colon = line.indexOf(':')
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()]
    if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
    else response.setHeader(name, value)
  }
  response.end(output.subarray(end + 4))
}

const hasBackend = (() => {
  try {
    return execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).length > 0
  } catch {
    return false
  }
})()

describe.skipIf(!hasBackend)('isomorphic-git clones into a volume over http', () => {
  const root = mkdtempSync(`${tmpdir()}/cairn-git-`)
  const run = (...args: string[]) =>
    execFileSync('git', ['-C', `${root}/origin`, '-c', 'user.name=Ada', '-c', 'user.email=ada@example.org', ...args], { encoding: 'utf8' })
  let server: Server

  beforeAll(async () => {
    execFileSync('git', ['init', '-q', '-b', 'main', `${root}/origin`])
    for (let i = 0; i < 50; i++) writeFileSync(`${root}/origin/file-${i}`, `content ${i}\n`.repeat(i + 1))
    run('add', '.')
    run('commit', '-q', '-m', 'fifty files')
    run('config', 'http.receivepack', 'true')
    run('config', 'receive.denyCurrentBranch', 'ignore')
    server = serveGit(root)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  })

  afterAll(() => {
    server.close()
    rmSync(root, { recursive: true, force: true })
  })

  it('clones, commits and pushes back', async () => {
    const fs = newFs()
    const repo = { fs: fs as unknown as Parameters<typeof git.init>[0]['fs'], dir: '/clone', http }
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/origin`
    await git.clone({ ...repo, url })
    assert.equal((await fs.promises.readdir('/clone')).length, 51)
    assert.equal(await fs.promises.readFile('/clone/file-2', 'utf8'), 'content 2\n'.repeat(3))
    await fs.promises.writeFile('/clone/file-2', 'changed\n')
    await git.add({ ...repo, filepath: 'file-2' })
    const oid = await git.commit({ ...repo, message: 'from a volume', author })
    const pushed = await git.push({ ...repo, remote: 'origin', ref: 'main' })
    assert.ok(pushed.ok)
    assert.equal(run('rev-parse', 'main').trim(), oid)
    assert.equal(run('show', 'main:file-2'), 'changed\n')
  })
})
