import type { Duplex } from 'node:stream'

/** JSON objects, one per line, over the pipe between supervisor and server. */
export class Control<In, Out> {
  readonly #stream: Duplex
  #rest = ''

  constructor(stream: Duplex, onMessage: (message: In) => void, onEnd: () => void) {
    this.#stream = stream
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) onMessage(JSON.parse(line) as In)
    })
    // The other side was killed: its end is what counts, not how the pipe broke.
    stream.on('error', () => undefined)
    stream.on('close', onEnd)
  }

  /** Written in the order of calls. Resolves when the kernel has it, so that it arrives even when this process dies then. */
  send(message: Out): Promise<void> {
    return new Promise(resolve => this.#stream.write(`${JSON.stringify(message)}\n`, () => resolve()))
  }
}
