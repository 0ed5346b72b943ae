import type { Host } from './host.js'

/** Has the engine do work that it does step by step, to its end. @param method begins it */
export async function stepped<T>(host: Host, method: string, ...args: unknown[]): Promise<T> {
  const target = await host.call(method, ...args)
  try {
    for (;;) {
      const { done, result } = (await host.call('step', target)) as { done: boolean; result?: T }
      if (done) return result as T
    }
  } finally {
    await host.call('close', target)
  }
}
