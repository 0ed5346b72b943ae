import type * as GoogleAuthLibrary from 'google-auth-library'
import type { CairnError } from '../../errors.js'
import { optionalPackage } from '../optional.js'
import { networkReason, noCredentials, unreachable, wrongCredentials } from '../remote-errors.js'

export interface Tokens {
  /** A token that is valid now. */
  get(): Promise<string | undefined>
  /** Looks for credentials anew: those that there were are refused. */
  renew?(): void
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
const WHERE =
  'GOOGLE_APPLICATION_CREDENTIALS to a file of credentials, or run `gcloud auth application-default login`, or run where a service account is attached'

/** For an emulator, which asks for none. */
export const noTokens: Tokens = { get: async () => undefined }

/**
 * Tokens by Google's own library: credentials in a file, of `gcloud`, of workload identity, of the instance.
 * @throws CairnError ERR_DRIVER_MISSING
 */
export function googleTokens(store: string): Tokens {
  const { GoogleAuth } = optionalPackage<typeof GoogleAuthLibrary>('google-auth-library', 'A store in GCS')
  // It would look for the project first, for seconds where there is none; buckets have names without one.
  const found = () => new GoogleAuth({ scopes: [SCOPE], projectId: 'none' })
  let auth = found()
  return {
    renew() {
      auth = found()
    },
    async get() {
      try {
        const token = await auth.getAccessToken()
        if (token !== null && token !== undefined) return token
      } catch (error) {
        throw translateAuth(error, store)
      }
      throw noCredentials(store, WHERE)
    },
  }
}

/** By what the library says, of which nothing is repeated: it may quote a file of credentials. */
function translateAuth(error: unknown, store: string): CairnError {
  const text = String((error as Error).message)
  const { status, code } = error as { status?: unknown; code?: unknown }
  if (/Could not load the default credentials|Unable to detect|ENOENT|not exist/i.test(text)) return noCredentials(store, WHERE)
  if (typeof status === 'number' && status < 500) return wrongCredentials(store, 'Google gives no token for them')
  if (typeof status === 'number' || typeof code === 'string')
    return unreachable(store, typeof status === 'number' ? 'no token was given' : networkReason(error))
  return wrongCredentials(store, 'they do not read')
}
