import type { Run } from './spec.js'

export const run: Run = async (context, [target], options) => {
  const name = await context.volumeName(target)
  const cairn = await context.cairn()
  const text = (key: string): Record<string, string> => (typeof options[key] === 'string' ? { [key]: options[key] } : {})
  const { store } = await context.helped(() => cairn.rotateKey(name, { ...text('newKeyFile'), ...text('keyFile') }))
  await context.result({ volume: name, store }, () => [
    `The store ${store} has the new key. Nothing else was written; whoever opens it from now on needs that one.`,
  ])
  return 0
}
