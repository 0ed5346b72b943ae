import { describe, expect, it } from 'vitest'
import { seccompProgram } from './seccomp.js'

const ALLOWED = 0x7fff0000
const EPERM = 0x50001
const ENOSYS = 0x50026
const EAFNOSUPPORT = 0x50061

/** Runs a program over a call as the kernel does; it must end. */
function judge(program: Buffer, call: { audit: number; number: number; args?: readonly number[] }): number {
  const data = Buffer.alloc(64)
  data.writeUInt32LE(call.number >>> 0, 0)
  data.writeUInt32LE(call.audit, 4)
  for (const [i, value] of (call.args ?? []).entries()) data.writeBigUInt64LE(BigInt(value), 16 + 8 * i)
  let loaded = 0
  for (let at = 0; at < program.length / 8; at++) {
    const code = program.readUInt16LE(at * 8)
    const value = program.readUInt32LE(at * 8 + 4)
    if (code === 0x06) return value
    if (code === 0x20) loaded = data.readUInt32LE(value)
    else {
      const isMatch = code === 0x15 ? loaded === value : code === 0x35 ? loaded >= value : (loaded & value) >>> 0 !== 0
      at += program.readUInt8(at * 8 + (isMatch ? 2 : 3))
    }
  }
  throw new Error('the program has no end')
}

describe.each([
  ['x64', 0xc000003e, { read: 0, mount: 165, unshare: 272, ptrace: 101, clone: 56, clone3: 435, socket: 41, ioctl: 16 }],
  ['arm64', 0xc00000b7, { read: 63, mount: 40, unshare: 97, ptrace: 117, clone: 220, clone3: 435, socket: 198, ioctl: 29 }],
] as const)('the filter of system calls on %s', (arch, audit, calls) => {
  const program = seccompProgram(arch) ?? Buffer.alloc(0)
  const of = (number: number, ...args: number[]): number => judge(program, { audit, number, args })

  it('lets programs do what they do', () => {
    for (const number of [calls.read, calls.ptrace]) expect(of(number)).toBe(ALLOWED)
    expect(of(calls.clone, 0x003d0f00)).toBe(ALLOWED)
    for (const family of [1, 2, 10, 16]) expect(of(calls.socket, family)).toBe(ALLOWED)
    expect(of(calls.ioctl, 1, 0x5401)).toBe(ALLOWED)
  })

  it('refuses mounts, namespaces, sockets that leave them, and typing for others', () => {
    expect(of(calls.mount)).toBe(EPERM)
    expect(of(calls.unshare)).toBe(EPERM)
    for (const flag of [0x10000000, 0x20000, 0x40000000]) expect(of(calls.clone, flag | 17)).toBe(EPERM)
    expect(of(calls.clone3)).toBe(ENOSYS)
    for (const family of [40, 17, 38]) expect(of(calls.socket, family)).toBe(EAFNOSUPPORT)
    for (const request of [0x5412, 0x541c]) expect(of(calls.ioctl, 1, request)).toBe(EPERM)
    // The kernel looks at the lower half of the request alone, so the filter must too.
    expect(of(calls.ioctl, 1, 2 ** 40 + 0x5412)).toBe(EPERM)
  })

  it('answers nothing to another machine, and to numbers of x32', () => {
    expect(judge(program, { audit: 0x40000003, number: 5 })).toBe(ENOSYS)
    expect(of(0x40000000 + 165)).toBe(arch === 'x64' ? ENOSYS : ALLOWED)
  })
})

it('knows no other processors', () => {
  expect(seccompProgram('mips')).toBeUndefined()
})
