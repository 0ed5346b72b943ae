import type { ExecCommand, ExecOptions } from './types.js'

/** Arguments of the program, then how it is run; both may be left out. */
export type ExecArguments<Encoding extends 'utf8' | 'buffer' = 'utf8'> =
  | []
  | [args: readonly string[]]
  | [options: ExecOptions & EncodingOf<Encoding>]
  | [args: readonly string[], options: ExecOptions & EncodingOf<Encoding>]

type EncodingOf<Encoding> = Encoding extends 'buffer' ? { encoding: 'buffer' } : { encoding?: 'utf8' }

/** A call as command and options. */
export function parsedCall(command: string | ExecCommand, rest: ExecArguments<'utf8' | 'buffer'>): [ExecCommand, ExecOptions] {
  const [first, second] = rest
  // Of one that is a text its letters would be options.
  if (typeof first === 'string') return [{ program: String(command), args: first as unknown as string[] }, {}]
  const options = (Array.isArray(first) ? second : (first ?? second)) as ExecOptions | undefined
  const words = typeof command === 'string' ? { program: command, args: Array.isArray(first) ? first : [] } : command
  return [words, options ?? {}]
}
