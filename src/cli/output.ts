/** Where text goes: what is needed of a Writable. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number | undefined
  /** False when `drain` comes before there is room for more. */
  write(chunk: string | Uint8Array): boolean
  once(event: 'drain', listener: () => void): unknown
}

/** The streams of one run; tests pass their own. */
export interface Streams {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean }
  stdout: Sink
  stderr: Sink
  env: NodeJS.ProcessEnv
}

/** Written text, with colours only on a terminal that was not asked to be plain. */
export class Output {
  readonly streams: Streams
  readonly terminal: boolean
  readonly columns: number
  private readonly coloured: boolean

  constructor(streams: Streams) {
    this.streams = streams
    this.terminal = streams.stdout.isTTY === true
    this.columns = streams.stdout.columns ?? 80
    this.coloured = this.terminal && !streams.env['NO_COLOR'] && streams.env['TERM'] !== 'dumb'
  }

  /** Bytes or text to stdout; waits while the reader is slow. */
  async write(chunk: string | Uint8Array): Promise<void> {
    const { stdout } = this.streams
    if (chunk.length > 0 && !stdout.write(chunk)) await new Promise<void>(resolve => stdout.once('drain', resolve))
  }

  /** Lines to stdout. */
  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(`${lines.join('\n')}\n`)
  }

  /** A line to stderr. */
  note(line: string): void {
    this.streams.stderr.write(`${line}\n`)
  }

  bold(text: string): string {
    return this.paint('1', text)
  }
  dim(text: string): string {
    return this.paint('2', text)
  }
  red(text: string): string {
    return this.paint('31', text)
  }
  green(text: string): string {
    return this.paint('32', text)
  }
  yellow(text: string): string {
    return this.paint('33', text)
  }
  blue(text: string): string {
    return this.paint('34', text)
  }
  cyan(text: string): string {
    return this.paint('36', text)
  }

  private paint(code: string, text: string): string {
    return this.coloured ? `\u001b[${code}m${text}\u001b[0m` : text
  }
}
