import { limits } from '../../sys/index.js'
import type { ExecEvent, ExecOptions, ExecResult } from './types.js'

type Run = (options: Pick<ExecOptions, 'onStdout' | 'onStderr' | 'signal'> & { output: 'capture'; encoding: 'utf8' }) => Promise<ExecResult>

/**
 * A run as a sequence of events. A reader that is slower than the command holds it up: what was not read yet is bounded. Who stops reading ends the command, and what it
 * did is recorded then.
 */
export async function* streamed(run: Run, options: ExecOptions): AsyncGenerator<ExecEvent> {
  const queue = new EventQueue()
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const tell = (type: 'stdout' | 'stderr') => (data: Buffer) => queue.add(type, data)
  const running = run({ onStdout: tell('stdout'), onStderr: tell('stderr'), signal, output: 'capture', encoding: 'utf8' })
  const over = running.then(result => queue.end({ type: 'result', result })).finally(() => queue.wake())
  over.catch(() => undefined)
  try {
    for (;;) {
      const event = queue.next()
      if (event === undefined) await Promise.race([over, queue.more()])
      else yield event
      if (event?.type === 'result') return
    }
  } finally {
    stop.abort()
    queue.abandon()
    await over.catch(() => undefined)
  }
}

/** Pieces of output that were not read yet. */
class EventQueue {
  #events: ExecEvent[] = []
  #bytes = 0
  #isAbandoned = false
  /** Wakes the reader. */
  wake = (): void => undefined
  #room: Promise<void> | undefined
  #onRoom = (): void => undefined

  /** Resolves when there is room for more. */
  add(type: 'stdout' | 'stderr', data: Buffer): Promise<void> | undefined {
    if (this.#isAbandoned) return undefined
    this.#events.push({ type, data })
    this.#bytes += data.length
    this.wake()
    if (this.#bytes < limits.execUnreadBytes) return undefined
    this.#room ??= new Promise(resolve => {
      this.#onRoom = resolve
    })
    return this.#room
  }

  end(event: ExecEvent): void {
    this.#events.push(event)
  }

  next(): ExecEvent | undefined {
    const event = this.#events.shift()
    if (event !== undefined && event.type !== 'result') this.#bytes -= event.data.length
    if (this.#bytes < limits.execUnreadBytes) this.#makeRoom()
    return event
  }

  more(): Promise<void> {
    return new Promise(resolve => {
      this.wake = resolve
    })
  }

  /** Nobody reads any more. */
  abandon(): void {
    this.#isAbandoned = true
    this.#events = []
    this.#makeRoom()
  }

  #makeRoom(): void {
    this.#room = undefined
    this.#onRoom()
  }
}
