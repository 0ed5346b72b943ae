import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'

/** True when the fixtures are written anew, which is right only together with a new format version. */
export const writesFixtures = process.env['CAIRN_TEST_WRITE_FIXTURES'] === '1'

/** Compares bytes, by name, with those that stand in a file of test/fixtures as hex. */
export function goldenIn(file: string): (name: string, bytes: Uint8Array) => void {
  const path = join(import.meta.dirname, '../fixtures', file)
  const fixtures: Record<string, string> = writesFixtures ? {} : JSON.parse(readFileSync(path, 'utf8'))
  return (name, bytes) => {
    const hex = Buffer.from(bytes).toString('hex')
    if (writesFixtures) {
      fixtures[name] = hex
      writeFileSync(path, `${JSON.stringify(fixtures, null, 2)}\n`)
    }
    expect({ [name]: hex }).toEqual({ [name]: fixtures[name] })
  }
}
