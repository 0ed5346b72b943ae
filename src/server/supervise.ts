/** Entry of the supervisor process: `node supervise.js HOME`. */
import { constants, openSync } from 'node:fs'
import { flock, LOCK_EX, LOCK_NB } from '../sys/libc.js'
import { prepareHome } from './home.js'
import { describe, Log } from './log.js'
import { EXIT_LOCKED } from './protocol.js'
import { Supervisor } from './supervisor.js'

function main(home: string): void {
  const paths = prepareHome(home)
  const log = new Log(paths.log, 'supervisor')
  const lock = openSync(paths.lock, constants.O_RDWR | constants.O_CREAT, 0o600)
  if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
    process.stderr.write(`Another server runs for ${home}.\n`)
    process.exit(EXIT_LOCKED)
  }
  process.on('uncaughtException', error => {
    log.line(describe(error), 'error')
    process.exit(1)
  })
  const supervisor = new Supervisor(paths, lock, log, code => process.exit(code))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => supervisor.stop())
  // A closed terminal is no reason to stop serving.
  process.on('SIGHUP', () => undefined)
  supervisor.start()
}

main(process.argv[2])
