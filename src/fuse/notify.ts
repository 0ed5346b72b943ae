import type { Worker } from 'node:worker_threads'
import type { ChangeListener } from '../fs/filesystem.js'
import { endThread, startThread } from '../sys/threads.js'
import { VIEW_SHIFT } from './node-id.js'
import { Notify, OUT_HEADER_BYTES } from './protocol.js'

/** A message to the kernel: total length, code in place of an error, id 0; then the body. */
function message(code: number, bodyBytes: number): Buffer {
  const m = Buffer.alloc(OUT_HEADER_BYTES + bodyBytes)
  m.writeUInt32LE(m.length, 0)
  m.writeInt32LE(code, 4)
  return m
}

function putNode(m: Buffer, at: number, ino: number, view = 0): void {
  m.writeUInt32LE(ino >>> 0, at)
  m.writeUInt32LE(((view << VIEW_SHIFT) | Math.floor(ino / 4294967296)) >>> 0, at + 4)
}

/** Attributes and cached content of `ino` in a view are no longer true; written pages of a mapping come as WRITE before they are dropped. */
export function invalInode(ino: number, view = 0): Buffer {
  const m = message(Notify.invalInode, 24)
  putNode(m, OUT_HEADER_BYTES, ino, view)
  return m
}

/** Attributes alone, which waits for nothing: the kernel answers ENOENT when it does not know the inode. */
export function invalAttributes(ino: number, view = 0): Buffer {
  const m = invalInode(ino, view)
  m.writeBigInt64LE(-1n, OUT_HEADER_BYTES + 8)
  return m
}

/** What `name` means in `parent` is no longer true. `name` has one char per byte. */
export function invalEntry(parent: number, name: string, view = 0): Buffer {
  const m = message(Notify.invalEntry, 16 + name.length + 1)
  putNode(m, OUT_HEADER_BYTES, parent, view)
  m.writeUInt32LE(name.length, OUT_HEADER_BYTES + 8)
  m.write(name, OUT_HEADER_BYTES + 16, 'latin1')
  return m
}

/** Whatever names mean is no longer known: each is looked up again. Kernels before 6.16 refuse it. */
export function invalAllEntries(): Buffer {
  return message(Notify.incEpoch, 0)
}

/** `name`, which was `child`, was removed from `parent`: watchers learn of it, and an open directory becomes a deleted one. */
export function deleted(parent: number, child: number, name: string): Buffer {
  const m = message(Notify.delete, 24 + name.length + 1)
  putNode(m, OUT_HEADER_BYTES, parent)
  putNode(m, OUT_HEADER_BYTES + 8, child)
  m.writeUInt32LE(name.length, OUT_HEADER_BYTES + 16)
  m.write(name, OUT_HEADER_BYTES + 24, 'latin1')
  return m
}

/** Asks the kernel to send again what was read and never answered. For a server that takes over a mount. */
export function resend(): Buffer {
  return message(Notify.resend, 0)
}

const POSTED = 0
const WRITTEN = 1

/**
 * Writes messages to the kernel from a thread that never owes it a reply: the kernel may wait for a lock that an
 * unanswered request holds. One for all mounts of a process.
 */
export class Notifier {
  readonly #counts = new Int32Array(new SharedArrayBuffer(8))
  readonly #worker: Worker

  constructor() {
    this.#worker = startThread('fuse/notify-thread', { workerData: { counts: this.#counts.buffer } })
    this.#worker.unref()
  }

  /** Queues a message for the mount with descriptor `fd`. */
  post(fd: number, bytes: Uint8Array): void {
    Atomics.add(this.#counts, POSTED, 1)
    this.#worker.postMessage({ fd, bytes })
  }

  /** A position in the queue, to wait for with `written`; may be handed to another thread with `counts`. */
  posted(): number {
    return Atomics.load(this.#counts, POSTED)
  }

  /** Shared between threads: how many were posted, how many written. */
  get counts(): SharedArrayBuffer {
    return this.#counts.buffer as SharedArrayBuffer
  }

  async close(): Promise<void> {
    await endThread(this.#worker)
  }
}

/** In every Node that we run on; the library of ES2023 does not declare it. */
const waitAsync = (Atomics as unknown as { waitAsync(shared: Int32Array, index: number, value: number): { value: string | Promise<string> } }).waitAsync

/** Waits until everything up to `position` is with the kernel. On a thread with an event loop, never on a serving one. */
export async function notified(counts: SharedArrayBuffer, position: number): Promise<void> {
  const shared = new Int32Array(counts)
  for (;;) {
    const now = Atomics.load(shared, WRITTEN)
    if (((now - position) | 0) >= 0) return
    await waitAsync(shared, WRITTEN, now).value
  }
}

/** Passes changes of a filesystem on to the kernel, except those that the kernel itself asked for. */
export class KernelCaches implements ChangeListener {
  /** Set while a request of this mount is answered. */
  answering = false
  readonly #notifier: Notifier
  readonly #fd: number
  readonly #rootIno: number

  constructor(notifier: Notifier, fd: number, rootIno: number) {
    this.#notifier = notifier
    this.#fd = fd
    this.#rootIno = rootIno
  }

  inode(ino: number): void {
    if (!this.answering) this.#notifier.post(this.#fd, invalInode(this.#node(ino)))
  }

  /** The directory's own times changed too. */
  entry(parent: number, name: string, _ino: number): void {
    if (this.answering) return
    this.#notifier.post(this.#fd, invalEntry(this.#node(parent), name))
    this.#notifier.post(this.#fd, invalInode(this.#node(parent)))
  }

  #node(ino: number): number {
    return ino === this.#rootIno ? 1 : ino
  }
}
