import { CairnError } from '../errors.js'
import type { StoredPolicy } from '../volume/policy-record.js'
import type { OpenVolumes } from './open-volumes.js'

export interface SetPolicyOptions {
  /** Who sets it. */
  actor?: string
  /** Only if this is the revision of the one that it replaces; empty: there is none. */
  ifRevision?: string
}

/** What clients ask about policies, by method name. A text was checked by whoever sends it, and is again by whoever judges with it. */
export function policyMethods(volumes: OpenVolumes) {
  return {
    policy: (_: string, name: string): StoredPolicy | undefined => volumes.read(name, ({ volume }) => volume.policy),
    setPolicy: (_: string, name: string, text: string | null, options: SetPolicyOptions = {}): StoredPolicy | undefined =>
      volumes.use(name, ({ volume }) => {
        const { ifRevision, actor } = options
        if (ifRevision !== undefined && (volume.policy?.revision ?? '') !== ifRevision)
          throw new CairnError(
            'ERR_POLICY_CHANGED',
            `The policy of ${name} was changed meanwhile.`,
            'Look at it with `cairn policy show`, and make your change again.',
            {
              retry: 'same-call',
            },
          )
        return volume.setPolicy(text ?? undefined, actor)
      }),
  }
}
