import { CairnError } from '../errors.js'
import { neverSent } from '../http/rpc-client.js'
import type { Host } from './host.js'

/**
 * A host that may be a server which ends, because nobody used it, between being found and being asked. It has done nothing then, and whoever takes its place is asked
 * once. Not what is about something open in it, which no other knows.
 */
export function orSuccessor(host: Host, place: () => Promise<Host>): Host {
  if (!host.isServer) return host
  const asked = async <T>(ask: (host: Host) => Promise<T>): Promise<T> => {
    try {
      return await ask(host)
    } catch (error) {
      if (!hasEndedBefore(error)) throw error
      return ask(await place())
    }
  }
  return {
    isServer: true,
    call: (method, ...args) => (typeof args[0] === 'string' ? asked(at => at.call(method, ...args)) : host.call(method, ...args)),
    open: (...args) => asked(at => at.open(...args)),
    close: () => host.close(),
  }
}

function hasEndedBefore(error: unknown): boolean {
  return error instanceof CairnError && error.code === 'ERR_SERVER_LOST' && neverSent(error.cause)
}
