import type { Policy } from '../../policy/index.js'
import type { StoredPolicy } from '../../volume/policy-record.js'
import { compiledOf, infoOf, policyInForce } from '../policy.js'
import type { CairnApi, PolicyInfo } from '../types.js'

/** Volumes of which is kept what policy they had. */
const KEPT = 256

/** A policy, and the revision that the server is asked to hold the volume's against. */
export interface Judge {
  policy: Policy
  revision: string
}

/**
 * What policies volumes had when they were last heard of. A command is judged by that, and run only if the server says that it still is the one: so most runs need not ask
 * for it. A volume that was not heard of is taken to have that of the last one, which of a fork is right.
 */
export class PresumedPolicies {
  readonly #byVolume = new Map<string, PolicyInfo>()
  #last = infoOf(undefined)

  async presumed(volume: string): Promise<Judge> {
    return judgeOf(this.#byVolume.get(volume) ?? this.#last)
  }

  /** That of the volume now. */
  async current(cairn: Pick<CairnApi, 'policy'>, volume: string): Promise<Judge> {
    let info: PolicyInfo | undefined
    const asked = {
      policy: async (name: string) => {
        info = await cairn.policy(name)
        return info
      },
    }
    const policy = await policyInForce(asked, volume)
    if (info !== undefined) this.#note(volume, info)
    return { policy, revision: info?.revision ?? '' }
  }

  /** The server says that it is another one. */
  learn(volume: string, stored: StoredPolicy | null): void {
    this.#note(volume, infoOf(stored ?? undefined))
  }

  #note(volume: string, info: PolicyInfo): void {
    if (this.#byVolume.size >= KEPT) this.#byVolume.clear()
    this.#byVolume.set(volume, info)
    this.#last = info
  }
}

async function judgeOf(info: PolicyInfo): Promise<Judge> {
  return { policy: await compiledOf(info), revision: info.revision }
}
