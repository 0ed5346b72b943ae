import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { CairnError } from '../errors.js'

const execute = promisify(execFile)

/** Runs a program and returns its stdout. @throws CairnError ERR_DEMO with what it said on stderr */
export async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    // git must not read settings of the user, which may sign commits or run hooks.
    const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
    return (await execute(program, args, { cwd, env })).stdout
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr || (error as Error).message).trim()
    throw new CairnError('ERR_DEMO', `The demo failed: ${program} ${args.join(' ')}: ${said}.`, 'Run `cairn doctor`, then report it.')
  }
}

export type SqliteProgram = 'python3' | 'node:sqlite'

export async function sqliteProgram(): Promise<SqliteProgram | undefined> {
  const works = (program: string, args: string[]) =>
    execute(program, args).then(
      () => true,
      () => false,
    )
  if (await works('python3', ['-c', 'import sqlite3'])) return 'python3'
  return (await works(process.execPath, ['--no-warnings', '-e', 'require("node:sqlite")'])) ? 'node:sqlite' : undefined
}

const python = `
import sqlite3, sys
mode, path, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
db = sqlite3.connect(path)
if mode == 'write':
    db.execute('pragma journal_mode=wal')
    db.execute('create table notes (id integer primary key, text text)')
    for i in range(rows):
        db.execute('insert into notes values (?, ?)', (i, 'note %d' % i))
        if i % 50 == 49: db.commit()
    db.commit()
elif db.execute('pragma integrity_check').fetchone()[0] != 'ok':
    sys.exit('integrity_check failed')
print(db.execute('select count(*) from notes').fetchone()[0])
`

const script = `
const { DatabaseSync } = require('node:sqlite')
const [mode, path, rows] = process.argv.slice(1)
const db = new DatabaseSync(path)
if (mode === 'write') {
  db.exec('pragma journal_mode=wal; create table notes (id integer primary key, text text)')
  const insert = db.prepare('insert into notes values (?, ?)')
  for (let i = 0; i < Number(rows); i++) insert.run(i, 'note ' + i)
} else if (db.prepare('pragma integrity_check').get().integrity_check !== 'ok') throw new Error('integrity_check failed')
console.log(db.prepare('select count(*) as n from notes').get().n)
`

/** Writes rows to a database, or checks it. Returns how many rows it has. */
export async function inSqlite(program: SqliteProgram, mode: 'write' | 'check', path: string, rows: number): Promise<number> {
  const args = [mode, path, String(rows)]
  const out =
    program === 'python3' ? await run('python3', ['-c', python, ...args], '/') : await run(process.execPath, ['--no-warnings', '-e', script, ...args], '/')
  return Number(out.trim())
}

const writer = (sdk: string) => `
import { Cairn } from ${JSON.stringify(sdk)}
const [home, name, count] = process.argv.slice(1)
const cairn = await Cairn.open({ home, via: 'process' })
const { promises } = (await cairn.open(name)).fs
await promises.mkdir('/project/src', { recursive: true })
for (let i = 0; i < Number(count); i++) {
  await promises.writeFile('/project/src/file-' + i + '.txt', 'file ' + i + '\\n')
  console.log(i)
}
setInterval(() => {}, 1000)
`

/** A process writes `count` files, says so for each, and is killed with SIGKILL. Returns how many it had acknowledged. */
export async function writeAndDie(home: string, name: string, count: number): Promise<number> {
  const sdk = new URL('../sdk/cairn.js', import.meta.url).href
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer(sdk), home, name, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  let acknowledged = 0
  for await (const _line of createInterface({ input: child.stdout })) {
    acknowledged++
    if (acknowledged === count) child.kill('SIGKILL')
  }
  await ended
  return acknowledged
}
