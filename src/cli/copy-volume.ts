import { checkVolumeName } from '../sdk/address.js'
import { usageError } from './errors.js'
import { humanSize, plural } from './format.js'
import { Progress } from './progress.js'
import type { Options, Run } from './spec.js'

export const run: Run = async (context, [target, store, name], options) => {
  const { volume, ref } = await context.volumeRef(target)
  checkStore(store, volume)
  if (name !== undefined) checkVolumeName(name)
  if (options['attach'] === true || store === 'dev') await context.refuseReadOnly()
  const cairn = await context.cairn()
  const progress = new Progress(context.out, 'copying')
  const copied = await context
    .helped(() =>
      cairn.copy(volume, {
        store,
        ...textOptions(options),
        ...(ref !== undefined && { ref }),
        ...(name !== undefined && { name }),
        ...(options['attach'] === true && { attach: true }),
        onProgress: done => progress.set(done),
      }),
    )
    .finally(() => progress.end())
  const where = copied.store === 'dev' ? '' : ` in ${copied.store}`
  await context.result(copied, () => [
    `Copied ${volume} to ${copied.name}${where}, with all that it ever held: ${plural(copied.files, 'file')}, ${humanSize(copied.bytes)}B${copied.reusedBytes === 0 ? '' : `; ${humanSize(copied.reusedBytes)}B more were there already`}.`,
  ])
  return 0
}

/** A plain word would be a folder of that name: more likely a volume was meant. */
function checkStore(store: string, volume: string): void {
  if (store === 'dev' || /[/:]/.test(store)) return
  throw usageError(
    `${store} is no store.`,
    `Write the address of one (s3://BUCKET/PREFIX, file:///PATH, ./PATH), or dev for that of this home: \`cairn copy ${volume} dev ${store}\`. Within a store: \`cairn fork ${volume} ${store}\`.`,
  )
}

function textOptions(options: Options): object {
  const text = (name: string): object => (typeof options[name] === 'string' ? { [name]: options[name] } : {})
  return {
    ...Object.assign({}, ...['region', 'endpoint', 'keyFile', 'compression'].map(text)),
    ...(options['pathStyle'] === true && { pathStyle: true }),
    ...(options['encrypt'] === true && { encrypt: true }),
  }
}
