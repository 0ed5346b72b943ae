import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { limits } from '../sys/index.js'
import { MessageReader, writeMessage } from './messages.js'
import { answerTo, type RpcService, tooLarge } from './rpc-handler.js'

/** What a connection asks to become, and where: a line, on which calls go one after the other without a header for each. */
export const LINE_PROTOCOL = 'cairn-line'
export const LINE_PATH = '/v1/line'

/** Lines of a server: `http.on('upgrade', lines.take)`. */
export class Lines {
  readonly #service: RpcService
  readonly #idle = new Set<Duplex>()

  constructor(service: RpcService) {
    this.#service = service
  }

  readonly take = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy())
    if (request.url !== LINE_PATH || request.headers.upgrade !== LINE_PROTOCOL) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n')
      return
    }
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${LINE_PROTOCOL}\r\n\r\n`)
    const reader = new MessageReader(limits.rpcRequestBytes)
    let last = Promise.resolve()
    const read = (chunk: Buffer): void => {
      for (const message of reader.push(chunk)) last = last.then(() => this.#answer(socket, message))
    }
    this.#idle.add(socket)
    socket.on('close', () => this.#idle.delete(socket))
    // Whoever asked waits for the answer, or is gone.
    socket.on('end', () => socket.end())
    socket.on('data', read)
    read(head)
  }

  async #answer(socket: Duplex, message: Buffer | undefined): Promise<void> {
    // Whoever was told that it ended asks again.
    if (socket.writableEnded) return
    this.#idle.delete(socket)
    const answer = message === undefined ? tooLarge() : await answerTo(this.#service, message)
    if (socket.destroyed) return
    writeMessage(socket, answer)
    this.#idle.add(socket)
  }

  /** Ends those that nobody waits on: their clients ask whoever serves next. */
  endIdle(): void {
    for (const socket of this.#idle) socket.end()
  }
}
