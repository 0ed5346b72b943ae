import { unlinkSync } from 'node:fs'

/**
 * Named points in every step that writes. Tests stop the process, or throw, at one of them; in production a point costs
 * a read of one variable.
 */
export const crashPoints = [
  'journal.append.before-write',
  'journal.append.torn-write',
  'journal.append.after-write',
  'journal.sync.before',
  'journal.sync.after',
  'journal.rotate.after-create',
  'journal.release.before-unlink',
  'pack.write.before',
  'pack.write.torn',
  'pack.close.before-footer',
  'pack.close.after-footer',
  'store.put.before-temporary',
  'store.put.after-temporary',
  'store.put.after-rename',
  'store.delete.before',
  'seal.before-pages',
  'seal.before-sync',
  'seal.before-head',
  'seal.after-head',
  'volume.create.before-name',
  'volume.create.after-name',
  'volume.fork.before-head',
  'volume.fork.after-pin',
  'volume.fork.pending',
  'volume.fork.after-head',
  'volume.publish.before-head',
  'volume.publish.before-name',
  'volume.publish.after-name',
  'backup.before-rename',
  'purge.live.before',
  'purge.live.after',
  'purge.commits.before',
  'purge.commits.after',
  'purge.versions.between',
  'purge.audit.after',
  'purge.sealed',
  'volume.rename.between',
  'volume.delete.before-tombstone',
  'volume.delete.after-tombstone',
  'gc.claimed',
  'gc.erase.before-head',
  'gc.erase.after-head',
  'gc.marked',
  'gc.swept-one',
  'gc.copied-segment',
  'gc.before-copy',
  'lease.before-claim',
  'lease.after-claim',
  'lease.confirmed',
  'lease.before-record',
  'lease.before-aside',
  'lease.set-aside',
  'lease.before-publish',
  'lease.published',
  'log.before-put',
  'log.after-put',
  'log.before-fence',
  'log.after-fence',
  'log.before-journal',
  'log.after-journal',
  'log.before-delete',
  'recover.staged',
  'recover.published',
  'gc.after-copy',
  'gc.before-index',
  'gc.before-record',
  'gc.after-record',
  'gc.dropped-one',
  'gc.before-pins',
  'become.before-journal',
  'become.after-journal',
] as const

export type CrashPoint = (typeof crashPoints)[number]

let hook: ((point: CrashPoint) => void) | undefined

/** Sets what happens at a crash point; `undefined` for nothing. For tests. */
export function onCrashPoint(next: ((point: CrashPoint) => void) | undefined): void {
  hook = next
}

/** True while a test listens: a step may then do itself in halves, so that a torn write can be seen. */
export function crashPointsWatched(): boolean {
  return hook !== undefined
}

export function crashPoint(point: CrashPoint): void {
  if (hook !== undefined) hook(point)
}

/**
 * CAIRN_TEST_CRASH=POINT*N kills the process at the N-th pass of a point; POINT@FILE at the first pass while FILE exists, which is
 * removed, so that the process that is started in its place lives on.
 */
function killAt(setting: string): (point: CrashPoint) => void {
  const [name, armed] = setting.split('@')
  if (armed !== undefined) return point => (point === name && disarmed(armed) ? kill() : undefined)
  const [counted, count] = name.split('*')
  let left = Number(count ?? 1)
  return point => (point === counted && --left === 0 ? kill() : undefined)
}

function disarmed(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch {
    return false
  }
}

function kill(): void {
  process.kill(process.pid, 'SIGKILL')
}

const fromEnvironment = process.env['CAIRN_TEST_CRASH']
if (fromEnvironment !== undefined) onCrashPoint(killAt(fromEnvironment))
