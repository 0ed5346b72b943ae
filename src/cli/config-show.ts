import { settingList } from '../sdk/config.js'
import { table } from './format.js'
import type { Run } from './spec.js'

export const run: Run = async context => {
  const { settings, origins, file } = await context.config()
  const entries = settingList.map(({ key, variable }) => ({ key, value: settings[key] ?? null, origin: origins[key], variable }))
  await context.result(
    {
      file,
      settings: Object.fromEntries(entries.map(({ key, value, origin }) => [key, { value, origin: origin.from, ...(origin.name && { name: origin.name }) }])),
    },
    () =>
      table(
        entries.map(({ key, value, origin, variable }) => [
          key,
          value === null ? '-' : String(value),
          origin.name ?? origin.from,
          origin.from === 'default' ? variable : '',
        ]),
      ).map(line => line.trimEnd()),
  )
  return 0
}
