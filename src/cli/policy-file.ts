import { readFileSync } from 'node:fs'
import { CairnError } from '../errors.js'
import type { Context } from './context.js'
import { gathered } from './stdin.js'

/** A policy as it stands in a file of this host; `-`: as it comes. @throws CairnError: the file cannot be read */
export async function policyTextOf(context: Context, file: string): Promise<string> {
  if (file === '-') {
    const parts: Buffer[] = []
    for await (const part of gathered(context.streams.stdin as AsyncIterable<Buffer>)) parts.push(part)
    return Buffer.concat(parts).toString('utf8')
  }
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CairnError(code ?? 'EIO', `${file} cannot be read (${code}).`, 'Name a file of this host that you may read.', { cause: error })
  }
}
