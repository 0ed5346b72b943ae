import type { PolicyLimits } from '../../policy/types.js'
import type { ViewOptions } from '../../server/protocol.js'

/** What a policy lets a command see and change, as its view keeps it. */
export function shownBy({ hidden, readOnly, writable, control }: PolicyLimits): Pick<ViewOptions, 'rules' | 'control'> {
  const rules = {
    ...(hidden === undefined ? {} : { hidden }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(writable === undefined ? {} : { writable }),
  }
  return { rules, ...(control === true ? { control } : {}) }
}
