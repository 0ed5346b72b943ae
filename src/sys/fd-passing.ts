/** Descriptors over Unix sockets (SCM_RIGHTS). Struct layouts of 64-bit Linux. */
import { ENOTCONN } from '../errors.js'
import { cFunction, descriptorPair, ffi, orErrno } from './ffi.js'

type Bytes = Uint8Array

const cSocketpair = cFunction<[number, number, number, Bytes]>('int socketpair(int domain, int type, int protocol, void *pair)')
const cSendmsg = cFunction<[number, Bytes, number]>('intptr_t sendmsg(int fd, void *message, int flags)')
const cRecvmsg = cFunction<[number, Bytes, number]>('intptr_t recvmsg(int fd, void *message, int flags)')

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000
/** struct cmsghdr, then one descriptor, padded to 8. */
const CONTROL_BYTES = 24
const CMSG_LENGTH_OF_ONE = 20

/** Two connected stream sockets, closed on exec unless they are a child's stdio; or the negated errno. */
export function socketpair(): [number, number] | number {
  return descriptorPair(pair => cSocketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
}

/** struct msghdr, its one iovec, the control buffer and the bytes stand in one block, so that nothing it points to can move or go. */
const VECTOR_AT = 56
const CONTROL_AT = 72
const DATA_AT = CONTROL_AT + CONTROL_BYTES

function message(dataBytes: number): Buffer {
  const block = Buffer.alloc(DATA_AT + dataBytes)
  const base = ffi().address(block)
  block.writeBigUInt64LE(base + BigInt(VECTOR_AT), 16)
  block.writeBigUInt64LE(1n, 24)
  block.writeBigUInt64LE(base + BigInt(CONTROL_AT), 32)
  block.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40)
  block.writeBigUInt64LE(base + BigInt(DATA_AT), VECTOR_AT)
  block.writeBigUInt64LE(BigInt(dataBytes), VECTOR_AT + 8)
  return block
}

/**
 * Sends descriptor `fd` and at least one byte of `data` over a Unix socket. The receiver gets a copy that is its own.
 * @returns bytes sent, or the negated errno (`-EAGAIN` on a full non-blocking socket)
 */
export function sendFd(socket: number, fd: number, data: Uint8Array = Buffer.from([0])): number {
  const block = message(data.length)
  block.writeBigUInt64LE(BigInt(CMSG_LENGTH_OF_ONE), CONTROL_AT)
  block.writeInt32LE(SOL_SOCKET, CONTROL_AT + 8)
  block.writeInt32LE(SCM_RIGHTS, CONTROL_AT + 12)
  block.writeInt32LE(fd, CONTROL_AT + 16)
  block.set(data, DATA_AT)
  return orErrno(cSendmsg(socket, block, MSG_NOSIGNAL))
}

/**
 * Receives what `sendFd` sent; blocks where the socket does.
 * @returns the bytes that came with it, in a new buffer, and the descriptor (close-on-exec), -1 when none came;
 * or the negated errno, `-ENOTCONN` when the other end is closed
 */
export function receiveFd(socket: number, maxBytes = 4096): { fd: number; data: Buffer } | number {
  const block = message(maxBytes)
  const length = orErrno(cRecvmsg(socket, block, MSG_CMSG_CLOEXEC))
  if (length < 0) return length
  const control = block.subarray(CONTROL_AT, DATA_AT)
  const carries = control.readBigUInt64LE(0) >= BigInt(CMSG_LENGTH_OF_ONE) && control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS
  if (length === 0 && !carries) return -ENOTCONN
  return { fd: carries ? control.readInt32LE(16) : -1, data: block.subarray(DATA_AT, DATA_AT + length) }
}
