import { CairnError, CorruptError, type Retry } from '../errors.js'

/** An error as it travels: enough to build the same error again on the other side. */
export interface WireError {
  kind: 'cairn' | 'corrupt' | 'type' | 'range' | 'abort' | 'error'
  message: string
  /** When it is not its class's, such as SystemError. */
  name?: string
  code?: string
  errno?: number
  syscall?: string
  path?: string
  dest?: string
  remedy?: string
  retry?: Retry
  exitCode?: number
  /** The damaged object of a CorruptError. */
  object?: string
}

type Errno = Error & { code?: unknown; errno?: unknown; syscall?: unknown; path?: unknown; dest?: unknown }

function kindOf(error: Error): WireError['kind'] {
  if (error instanceof CorruptError) return 'corrupt'
  if (error instanceof CairnError) return 'cairn'
  if (error instanceof TypeError) return 'type'
  if (error instanceof RangeError) return 'range'
  return error.name === 'AbortError' ? 'abort' : 'error'
}

const text = (value: unknown): string | undefined => (value === undefined ? undefined : String(value))

export function toWire(thrown: unknown): WireError {
  const error: Errno = thrown instanceof Error ? thrown : new Error(String(thrown))
  const wire: WireError = { kind: kindOf(error), message: error.message }
  if (wire.kind === 'error' && Object.hasOwn(error, 'name')) wire.name = error.name
  if (error.code !== undefined) wire.code = String(error.code)
  if (typeof error.errno === 'number') wire.errno = error.errno
  if (error.syscall !== undefined) wire.syscall = text(error.syscall)
  if (error.path !== undefined) wire.path = text(error.path)
  if (error.dest !== undefined) wire.dest = text(error.dest)
  if (error instanceof CairnError) Object.assign(wire, { remedy: error.remedy, retry: error.retry, exitCode: error.exitCode })
  if (error instanceof CorruptError) wire.object = error.object
  return wire
}

function build(wire: WireError): Error {
  switch (wire.kind) {
    case 'corrupt': {
      const error = new CorruptError(wire.object ?? '', '')
      error.message = wire.message
      return error
    }
    case 'cairn':
      return new CairnError(wire.code ?? 'ERR_UNKNOWN', wire.message, wire.remedy ?? '', { retry: wire.retry, exitCode: wire.exitCode })
    case 'type':
      return new TypeError(wire.message)
    case 'range':
      return new RangeError(wire.message)
    default:
      return new Error(wire.message)
  }
}

/** The error that was thrown there, thrown here: same class, message and fields. */
export function fromWire(wire: WireError): Error {
  const error = build(wire)
  if (wire.kind === 'abort') error.name = 'AbortError'
  if (wire.kind === 'cairn' || wire.kind === 'corrupt') return error
  const fields: Record<string, unknown> = {}
  for (const key of ['name', 'errno', 'code', 'syscall', 'path', 'dest'] as const) if (wire[key] !== undefined) fields[key] = wire[key]
  return Object.assign(error, fields)
}
