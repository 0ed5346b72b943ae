import type { Socket } from 'node:net'
import { sendFd } from '../sys/libc.js'
import { Control } from './control.js'
import { type MountRecord, PASSING_FD, type ToServer, type ToSupervisor } from './protocol.js'

/** The server's end of the pipe to its supervisor. */
export class Keeper {
  readonly #control: Control<ToServer, ToSupervisor>
  #alive = true

  /** @param onLost the supervisor was killed: mounts live on, but not beyond this process */
  constructor(pipe: Socket, onMessage: (message: ToServer) => void, onLost: () => void) {
    this.#control = new Control<ToServer, ToSupervisor>(pipe, onMessage, () => {
      this.#alive = false
      onLost()
    })
  }

  get isAlive(): boolean {
    return this.#alive
  }

  /** Gives it a duplicate of a mount's descriptor. It has it when this resolves. */
  async hold(record: MountRecord, fd: number): Promise<void> {
    if (!this.#alive) return
    const sent = sendFd(PASSING_FD, fd)
    if (sent < 0) throw new Error(`the descriptor of ${record.mountpoint} could not be handed to the supervisor: errno ${-sent}`)
    await this.#send({ hold: record })
  }

  update(record: MountRecord): Promise<void> {
    return this.#send({ update: record })
  }

  drop(id: number): Promise<void> {
    return this.#send({ drop: id })
  }

  ready(): Promise<void> {
    return this.#send({ ready: true })
  }

  bye(): Promise<void> {
    return this.#send({ bye: true })
  }

  async #send(message: ToSupervisor): Promise<void> {
    if (this.#alive) await this.#control.send(message)
  }
}
