import type { ExecEvent, ExecOptions, ExecResult } from './types.js'

type Run = (options: Pick<ExecOptions, 'onStdout' | 'onStderr' | 'signal'> & { output: 'capture'; encoding: 'utf8' }) => Promise<ExecResult>

/** A run as a sequence of events. Who stops reading ends the command, and what it did is recorded then. */
export async function* streamed(run: Run, options: ExecOptions): AsyncGenerator<ExecEvent> {
  const events: ExecEvent[] = []
  let wake = (): void => undefined
  const add = (event: ExecEvent): void => {
    events.push(event)
    wake()
  }
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const tell = (type: 'stdout' | 'stderr') => (data: Buffer) => add({ type, data })
  const running = run({ onStdout: tell('stdout'), onStderr: tell('stderr'), signal, output: 'capture', encoding: 'utf8' })
  const over = running.then(result => add({ type: 'result', result })).finally(() => wake())
  over.catch(() => undefined)
  try {
    for (;;) {
      const event = events.shift()
      if (event === undefined) await Promise.race([over, new Promise<void>(resolve => (wake = resolve))])
      else yield event
      if (event?.type === 'result') return
    }
  } finally {
    stop.abort()
    await over.catch(() => undefined)
  }
}
