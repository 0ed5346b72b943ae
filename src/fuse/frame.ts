import { limits } from '../sys/index.js'
import { WRITE_DATA_AT } from './protocol.js'

/** The direct conversions of Buffer, which Node documents no types for; `toString('latin1')` is twice as slow on short names. */
export interface ByteBuffer extends Buffer {
  latin1Slice(from: number, to: number): string
  latin1Write(text: string, at: number, length?: number): number
}

const SLACK_BYTES = 4096

/** One request and its reply, in buffers used again and again. All connections of a loop share one. */
export class Frame {
  /** The kernel refuses to read into less than the largest WRITE. */
  readonly in: ByteBuffer
  readonly in32: Uint32Array
  readonly out: ByteBuffer
  readonly out32: Uint32Array

  /** @param bytes of the largest request, and of the largest reply */
  constructor(bytes: number = limits.fuseRequestBytes) {
    this.in = Buffer.from(new ArrayBuffer(bytes + WRITE_DATA_AT + SLACK_BYTES)) as ByteBuffer
    this.in32 = new Uint32Array(this.in.buffer)
    this.out = Buffer.from(new ArrayBuffer(bytes + SLACK_BYTES)) as ByteBuffer
    this.out32 = new Uint32Array(this.out.buffer)
  }
}
