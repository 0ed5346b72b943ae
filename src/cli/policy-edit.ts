import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import type { Context } from './context.js'
import type { Run } from './spec.js'

/** Opens the policy of a volume in an editor. What is refused keeps the old policy, and the text in a file. */
export const run: Run = async (context, [operand]) => {
  const name = await context.volumeName(operand)
  await context.refuseReadOnly()
  const cairn = await context.cairn()
  const before = await context.helped(() => cairn.policy(name))
  const folder = mkdtempSync(join(tmpdir(), 'cairn-policy-'))
  const file = join(folder, 'cairn.policy.yaml')
  writeFileSync(file, before.text, { mode: 0o600 })
  try {
    await edit(context, file)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
  const text = readFileSync(file, 'utf8')
  const isChanged = text !== before.text
  try {
    if (isChanged) await cairn.setPolicy(name, text, { ifRevision: before.revision })
  } catch (error) {
    if (!(error instanceof CairnError)) throw error
    throw new CairnError(
      error.code,
      error.message,
      `${error.remedy} The old policy stays; what you wrote is in ${file}: set it with \`cairn policy set ${name} ${file}\`.`,
      {
        cause: error,
      },
    )
  }
  rmSync(folder, { recursive: true, force: true })
  await context.result({ volume: name, changed: isChanged, ...(await cairn.policy(name)) }, () => [
    isChanged ? `${name} has a new policy.` : `The policy of ${name} is as it was.`,
  ])
  return 0
}

/** VISUAL and EDITOR may have options in them, so a shell runs them, as git does. */
async function edit(context: Context, file: string): Promise<void> {
  const { env } = context.streams
  const editor = env['VISUAL'] || env['EDITOR'] || 'vi'
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, editor, file], { stdio: 'inherit', env })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0)
    throw new CairnError('ERR_EDITOR', `The editor ${editor} ended with ${code ?? 'a signal'}.`, 'Say which one to use in EDITOR. The policy stays as it was.')
}
