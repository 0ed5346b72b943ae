import { createHash } from 'node:crypto'
import { type FSWatcher, linkSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CairnError } from '../../errors.js'
import type { Approval, ApprovalAnswer } from '../../policy/types.js'
import { ifThere, limits, makeFolders, namesIn, systemClock, systemRandom } from '../../sys/index.js'

/** What is asked. */
export type Question = Omit<Approval, 'id' | 'askedMs' | 'untilMs' | 'state' | 'answer'>

interface Kept extends Question {
  id: string
  askedMs: number
  untilMs: number
  /** Of what is not to be read here, such as values of variables: a hash that nobody can try values against without this file. */
  unseen?: { salt: string; hash: string }
}

const ID = /^ask-[0-9a-f]{10}$/
const REQUEST = '.json'
/** Made by link(2), so that of two answers one wins. */
const ANSWER = '.answer'
/** Somebody has acted upon the answer: it counts once. */
const USED = '.used'

/**
 * Questions that wait for a person, in files of the home that only its owner can reach: they outlive whoever asked, and servers. Each is answered once, and an
 * approval is used once.
 */
export class ApprovalQueue {
  readonly #folder: string

  constructor(home: string) {
    this.#folder = join(home, 'approvals')
  }

  /**
   * Asks, or joins the same question where it waits already. One that was approved after who asked it was lost is taken up by the next who asks the same.
   * @param timeoutMs it is denied after so long
   * @param unseen what belongs to the question and is kept out of its file
   */
  ask(question: Question, timeoutMs: number, unseen = ''): Approval {
    makeFolders(this.#folder)
    this.#sweep()
    const key = keyOf(question)
    const now = systemClock.now()
    const same = this.#all().find(
      one =>
        keyOf(one) === key &&
        (one.state === 'pending' || (one.state === 'approved' && !this.#isUsed(one.id) && isFresh(one, now))) &&
        this.#isOf(one.id, unseen),
    )
    if (same !== undefined) return same
    const asked = { ...question, id: `ask-${systemRandom.bytes(5).toString('hex')}`, askedMs: now, untilMs: now + timeoutMs }
    const salt = systemRandom.bytes(16).toString('hex')
    const kept: Kept = unseen === '' ? asked : { ...asked, unseen: { salt, hash: hashOf(salt, unseen) } }
    this.#make(kept.id + REQUEST, kept)
    return { ...asked, state: 'pending' }
  }

  #isOf(id: string, unseen: string): boolean {
    const had = this.#json<Kept>(id + REQUEST)?.unseen
    return had === undefined ? unseen === '' : had.hash === hashOf(had.salt, unseen)
  }

  /** Oldest first. @param isAll with those that were answered, or that nobody answered */
  list(isAll = false): Approval[] {
    return this.#all().filter(one => isAll || one.state === 'pending')
  }

  /** @throws CairnError ERR_APPROVAL_UNKNOWN */
  get(id: string): Approval {
    const found = ID.test(id) ? this.#read(id) : undefined
    if (found !== undefined) return found
    throw new CairnError(
      'ERR_APPROVAL_UNKNOWN',
      `There is no request ${JSON.stringify(String(id).slice(0, 80))}.`,
      'See `cairn approvals` for those that wait.',
    )
  }

  /** @throws CairnError ERR_APPROVAL_UNKNOWN, ERR_APPROVAL_ANSWERED */
  answer(id: string, answer: ApprovalAnswer): Approval {
    this.mustWait(id)
    if (!this.#make(id + ANSWER, answer)) throw answered(this.get(id))
    return this.get(id)
  }

  /** @throws CairnError ERR_APPROVAL_UNKNOWN, ERR_APPROVAL_ANSWERED when it waits no more */
  mustWait(id: string): Approval {
    const found = this.get(id)
    if (found.state !== 'pending') throw answered(found)
    return found
  }

  /** Waits for the answer; when time is up nobody's is made, which denies. @throws the reason of `signal` */
  async wait(id: string, signal?: AbortSignal): Promise<ApprovalAnswer> {
    const found = await this.#until(
      () => {
        const now = this.get(id)
        return now.answer ?? (now.state === 'expired' ? this.#expire(now) : undefined)
      },
      this.get(id).untilMs,
      signal,
    )
    return found
  }

  /** Whoever asked acts upon an approval now. False when somebody else has already. */
  use(id: string): boolean {
    return this.#make(id + USED, { atMs: systemClock.now() })
  }

  /** Calls back when anything may have changed, until it is closed. */
  watch(onChange: () => void): { close(): void } {
    makeFolders(this.#folder)
    let watcher: FSWatcher | undefined
    try {
      watcher = watch(this.#folder, onChange)
      watcher.on('error', () => watcher?.close())
    } catch {
      // Where there are no more watches to be had it is looked at from time to time.
    }
    const timer = setInterval(onChange, limits.approvalLookMs)
    return {
      close: () => {
        watcher?.close()
        clearInterval(timer)
      },
    }
  }

  #until<T>(look: () => T | undefined, untilMs: number, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        watching.close()
        clearTimeout(timer)
        signal?.removeEventListener('abort', aborted)
      }
      const aborted = (): void => {
        end()
        reject(signal?.reason)
      }
      const check = (): void => {
        try {
          const found = look()
          if (found === undefined) return
          end()
          resolve(found)
        } catch (error) {
          end()
          reject(error)
        }
      }
      const watching = this.watch(check)
      const timer = setTimeout(check, Math.max(0, untilMs - systemClock.now()) + 1)
      signal?.addEventListener('abort', aborted)
      if (signal?.aborted === true) aborted()
      else check()
    })
  }

  /** Noted as an answer, so that a person who is late hears that it is over. */
  #expire({ id, askedMs, untilMs }: Approval): ApprovalAnswer {
    const reason = `Nobody answered within ${Math.round((untilMs - askedMs) / 1000)} s.`
    this.#make(id + ANSWER, { approved: false, by: '', atMs: untilMs, reason } satisfies ApprovalAnswer)
    return this.get(id).answer ?? { approved: false, by: '', atMs: untilMs, reason }
  }

  #all(): Approval[] {
    return namesIn(this.#folder)
      .filter(name => name.endsWith(REQUEST) && ID.test(name.slice(0, -REQUEST.length)))
      .map(name => this.#read(name.slice(0, -REQUEST.length)))
      .filter(one => one !== undefined)
      .sort((a, b) => a.askedMs - b.askedMs || (a.id < b.id ? -1 : 1))
  }

  #read(id: string): Approval | undefined {
    const found = this.#json<Kept>(id + REQUEST)
    if (found === undefined) return undefined
    const { unseen: _, ...kept } = found
    const answer = this.#json<ApprovalAnswer>(id + ANSWER)
    const state =
      answer === undefined ? (systemClock.now() > kept.untilMs ? 'expired' : 'pending') : answer.approved ? 'approved' : answer.by === '' ? 'expired' : 'denied'
    return { ...kept, state, ...(answer === undefined ? {} : { answer }) }
  }

  #isUsed(id: string): boolean {
    return this.#json(id + USED) !== undefined
  }

  #json<T>(name: string): T | undefined {
    const text = ifThere(() => readFileSync(join(this.#folder, name), 'utf8'))
    try {
      return text === undefined ? undefined : (JSON.parse(text) as T)
    } catch {
      // Cut short by a loss of power: nobody asked, or nobody answered.
      return undefined
    }
  }

  /** Whole or not at all; false when it is there already. */
  #make(name: string, value: unknown): boolean {
    const path = join(this.#folder, name)
    const temporary = `${path}.${systemRandom.bytes(6).toString('hex')}`
    writeFileSync(temporary, JSON.stringify(value), { mode: 0o600, flag: 'wx' })
    try {
      linkSync(temporary, path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    } finally {
      rmSync(temporary, { force: true })
    }
  }

  /** Forgets what is long over. */
  #sweep(): void {
    const before = systemClock.now() - limits.approvalKeptMs
    const old = new Set(
      this.#all()
        .filter(one => one.untilMs < before)
        .map(one => one.id),
    )
    if (old.size === 0) return
    for (const name of namesIn(this.#folder)) if (old.has(name.slice(0, name.indexOf('.')))) rmSync(join(this.#folder, name), { force: true })
  }
}

/** An approval is of use to who asks the same again for as long as it would have been waited for. */
function isFresh({ untilMs }: Approval, now: number): boolean {
  return now <= untilMs
}

function keyOf({ volume, command, cwd, actor, asks, how }: Question): string {
  return hashOf('', JSON.stringify([volume, command, cwd, actor, asks, how]))
}

function hashOf(salt: string, text: string): string {
  return createHash('sha256').update(salt).update(text).digest('hex')
}

/** What a person is told who answers what is over, or never was. */
function answered({ id, state, answer }: Approval): CairnError {
  const by = answer === undefined || answer.by === '' ? '' : ` by ${answer.by}`
  return new CairnError('ERR_APPROVAL_ANSWERED', `The request ${id} is ${state} already${by}.`, 'See `cairn approvals` for those that wait.')
}
