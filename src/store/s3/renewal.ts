import { systemClock } from '../../sys/index.js'
import { codeOf, isCredentialsRefused, statusOf } from './errors.js'
import type { Client } from './sdk.js'

/** What is not allowed is refused again and again: this long nobody looks for other credentials because of it. */
const LOOK_AGAIN_MS = 10_000

/**
 * Where a request is refused for its credentials, they are looked for anew, in the environment, in files that somebody has written meanwhile, at the service that gives
 * them out; and if they are others than those that were refused, the request is made once more with them.
 * Cost: for a request that is refused what a look-up costs.
 */
export function renewCredentials(client: Client): void {
  let lookAtMs = 0
  const current = (options?: { forceRefresh: boolean }): Promise<string> =>
    client.config.credentials(options).then(
      ({ accessKeyId, secretAccessKey, sessionToken }) => JSON.stringify([accessKeyId, secretAccessKey, sessionToken]),
      () => '',
    )
  const areOthers = async (refused: string): Promise<boolean> => {
    const now = await current({ forceRefresh: true })
    return now !== '' && now !== refused
  }
  client.middlewareStack.add(
    next => async args => {
      const used = await current()
      try {
        return await next(args)
      } catch (error) {
        const isRight = codeOf(error) === 'AccessDenied'
        if (!isRefused(error) || (isRight && systemClock.monotonic() < lookAtMs)) throw error
        if (!(await areOthers(used))) {
          if (isRight) lookAtMs = systemClock.monotonic() + LOOK_AGAIN_MS
          throw error
        }
        return next(args)
      }
    },
    { name: 'cairnRenewCredentials', step: 'initialize', priority: 'high' },
  )
}

/** Answers to HEAD have no code. */
function isRefused(error: unknown): boolean {
  const [code, status] = [codeOf(error), statusOf(error)]
  if (isCredentialsRefused(code)) return true
  return status === 401 || status === 403 || (status === 400 && /^(|400|Unknown|UnknownError|BadRequest)$/.test(code))
}
