import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Cairn } from '../../src/sdk/cairn.js'
import { canMount, type Home, makeHome, openCairn, pidsOf, python, until } from './support.js'

/** Runs the lines of its input: SQL, `fill` to add 300 rows, `reopen`. */
const sqlite = `
import sqlite3, sys
def connect():
    db = sqlite3.connect(sys.argv[1], timeout=1, isolation_level=None)
    db.execute('pragma journal_mode=' + sys.argv[2])
    return db
db = connect()
db.execute('create table if not exists t (n integer primary key, text)')
for line in sys.stdin:
    line = line.strip()
    try:
        if line == 'reopen':
            db.close()
            db = connect()
        elif line == 'fill':
            db.execute('begin')
            for i in range(300): db.execute('insert into t (text) values (?)', ('x' * 500,))
            db.execute('commit')
        else:
            db.execute(line).fetchall()
        print('did', line, flush=True)
    except sqlite3.Error as error:
        print('could not', line, error, flush=True)
`

const check = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute('pragma integrity_check').fetchone()[0], flush=True)
print('rows', *db.execute('select count(*), max(n) from t').fetchone(), flush=True)
`

describe.skipIf(!canMount)('restore in the middle of a transaction of SQLite', () => {
  let home: Home
  let cairn: Cairn
  const at = (name: string) => join(home.mountpoint, name)

  beforeEach(async () => {
    home = makeHome()
    cairn = await openCairn(home)
    await cairn.createVolume({ name: 'v' })
    await cairn.mount({ name: 'v', path: home.mountpoint })
  })

  /** Runs one line, and waits until it says `did` or `could not`. */
  async function run(program: ReturnType<typeof python>, line: string, expected = 'did'): Promise<void> {
    program.child.stdin?.write(`${line}\n`)
    await program.printed(`${expected} ${line}`)
  }

  const rows = async (): Promise<string> => {
    const { output } = await python(check, at('db')).ended
    expect(output).toContain('ok\n')
    return /rows (.*)/.exec(output)?.[1] ?? output
  }

  for (const mode of ['delete', 'truncate', 'persist']) {
    for (const killed of [false, true]) {
      const name = `journal_mode=${mode}: the transaction ${killed ? 'fails also when the server is killed meanwhile' : 'fails, and its journal does not reach others'}`
      test(name, async () => {
        const writer = python(sqlite, at('db'), mode)
        await run(writer, 'fill')
        await cairn.checkpoint('v', 'one')
        await run(writer, 'fill')
        await run(writer, 'fill')
        await run(writer, 'begin immediate')
        await cairn.restore('v', { ref: 'one' })
        if (killed) {
          const { server } = pidsOf(home)
          process.kill(server, 'SIGKILL')
          await until(() => pidsOf(home).server !== server)
        }
        // All that it needs is in its memory: the journal is the first thing that it asks the filesystem for.
        await run(writer, "insert into t (text) values ('lost')", 'could not')
        expect(await rows()).toBe('300 300')
        // Others use the database, while it is still open there as it was.
        const other = python(sqlite, at('db'), mode)
        await run(other, "insert into t (text) values ('kept')")
        await run(writer, "insert into t (text) values ('lost')", 'could not')
        expect(await rows()).toBe('301 301')
        await run(writer, 'reopen')
        await run(writer, "insert into t (text) values ('kept')")
        expect(await rows()).toBe('302 302')
        for (const program of [writer, other]) {
          program.child.stdin?.end()
          await program.ended
        }
      })
    }
  }

  test('journal_mode=wal: the transaction fails', async () => {
    const writer = python(sqlite, at('db'), 'wal')
    await run(writer, 'fill')
    await cairn.checkpoint('v', 'one')
    await run(writer, 'fill')
    await run(writer, 'pragma wal_checkpoint(full)')
    await run(writer, 'begin immediate')
    await cairn.restore('v', { ref: 'one' })
    writer.child.stdin?.write("insert into t (text) values ('lost')\n")
    writer.child.stdin?.end()
    // Its shared memory is a mapping.
    expect((await writer.ended).output).toMatch(/could not insert|ended SIGBUS/)
    expect(await rows()).toBe('300 300')
  })
})
