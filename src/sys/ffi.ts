import { createRequire } from 'node:module'
import type koffi from 'koffi'
import { inNativeTurn } from './native-turn.js'

type Koffi = typeof koffi
type AsyncFunction = (...args: unknown[]) => void
type CFunction = (...args: unknown[]) => number

let loaded: Koffi | undefined
let libc: ReturnType<Koffi['load']> | undefined

/** Loading koffi costs about 10 ms, so that nothing pays for it but the first call of a C function. */
export function ffi(): Koffi {
  loaded ??= inNativeTurn(() => createRequire(import.meta.url)('koffi') as Koffi)
  return loaded
}

function inLibc(): ReturnType<Koffi['load']> {
  libc ??= ffi().load(null)
  return libc
}

/** A function of the C library that this process runs on; bound at its first call. */
export function cFunction<Args extends unknown[]>(prototype: string): (...args: Args) => number {
  let bound: CFunction | undefined
  return (...args) => {
    bound ??= inNativeTurn(() => inLibc().func(prototype) as unknown as CFunction)
    return bound(...args)
  }
}

/** The same, run on a thread of the pool; what it said is told without its errno. Whoever has the answer has the arguments, which live until then. */
export function cFunctionLater<Args extends unknown[]>(prototype: string): (args: Args, done: (result: number, args: Args) => void) => void {
  let bound: AsyncFunction | undefined
  return (args, done) => {
    bound ??= inNativeTurn(() => inLibc().func(prototype).async as unknown as AsyncFunction)
    bound(...args, (_: unknown, result: number) => done(result, args))
  }
}

/** `result` of a C call, or the negated errno where it failed. */
export function orErrno(result: number): number {
  return result < 0 ? -ffi().errno() : result
}

/** Two descriptors that a C call writes into a `int[2]`, or the negated errno. */
export function descriptorPair(call: (pair: Uint8Array) => number): [number, number] | number {
  const pair = Buffer.alloc(8)
  const failed = orErrno(call(pair))
  return failed < 0 ? failed : [pair.readInt32LE(0), pair.readInt32LE(4)]
}

/** Paths and names are passed as bytes, so that any name goes through. */
export function cString(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? Buffer.from(`${text}\0`, 'utf8') : Buffer.concat([text, Buffer.alloc(1)])
}
