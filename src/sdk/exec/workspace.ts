import type { PolicyLimits } from '../../policy/types.js'
import type { CairnApi, VolumeView } from '../types.js'

export interface WorkspaceOptions {
  volume: string
  execId: string
  actor: string
  readOnly: boolean
  /** What the policy lets it see and change. */
  limits: PolicyLimits
}

/** A volume as a directory for one command: what it changes there is told from what others change at the same time. */
export function openWorkspace(cairn: CairnApi, { volume, execId, actor, readOnly, limits }: WorkspaceOptions): Promise<VolumeView> {
  const { hidden, readOnly: kept, writable, control } = limits
  const rules = {
    ...(hidden === undefined ? {} : { hidden }),
    ...(kept === undefined ? {} : { readOnly: kept }),
    ...(writable === undefined ? {} : { writable }),
  }
  return cairn.openView(volume, { rules, actor, exec: execId, readOnly, ...(control === true ? { control } : {}) })
}
