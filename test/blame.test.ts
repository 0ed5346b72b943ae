import './support/without-syncs.js'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Blame } from '../src/history/log/blame-lines.js'
import { Cairn, type OpenVolume, type VolumeFs } from '../src/index.js'
import { CliRun } from './cli-run.js'

let home: string
let cairn: Cairn
let volume: OpenVolume
let fs: VolumeFs
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-blame-'))
  cairn = await Cairn.open({ home, via: 'process', actor: 'alice' })
  await cairn.createVolume({ name: 'w' })
  volume = await cairn.open('w')
  fs = volume.fs
})
afterEach(async () => {
  await cairn.close()
  rmSync(home, { recursive: true, force: true })
})

/** Lines with the checkpoint that brought each. */
async function brought(path: string): Promise<string[]> {
  return (await volume.blame(path)).map(({ text, name }) => `${text}: ${name ?? '-'}`)
}

describe('blame', () => {
  test('names the commit that brought each line, through renames and save-by-rename', async () => {
    fs.writeFileSync('/f', 'a\nb\nc\n')
    await volume.checkpoint('one')
    fs.writeFileSync('/tmp', 'a\nB\nc\n')
    fs.renameSync('/tmp', '/f')
    await volume.checkpoint('two')
    fs.renameSync('/f', '/g')
    await volume.checkpoint('moved')
    fs.writeFileSync('/g', 'first\na\nB\nc\nlast')
    await volume.checkpoint('three')
    expect(await brought('/g')).toEqual(['first: three', 'a: one', 'B: two', 'c: one', 'last: three'])
    const past = await volume.at('two')
    expect((await past.blame('/f')).map(line => line.name)).toEqual(['one', 'two', 'one'])
  })

  test('knows changes that are in no commit yet, and who made them', async () => {
    fs.writeFileSync('/f', 'a\nb\n')
    await volume.checkpoint('one')
    fs.writeFileSync('/f', 'a\nb\nc\n')
    fs.writeFileSync('/f', 'a\nb\nc\nd\n')
    const lines = await volume.blame('/f')
    expect(lines.map(({ line, text, name }) => [line, text, name])).toEqual([
      [1, 'a', 'one'],
      [2, 'b', 'one'],
      [3, 'c', undefined],
      [4, 'd', undefined],
    ])
    expect(lines[0].actor).toBe('alice')
    expect(lines[2].version).toBeLessThan(lines[3].version ?? 0)
  })

  test('a file that was deleted and made again begins anew', async () => {
    fs.writeFileSync('/f', 'a\nb\n')
    await volume.checkpoint('one')
    fs.rmSync('/f')
    await volume.checkpoint('gone')
    fs.writeFileSync('/f', 'a\nb\n')
    await volume.checkpoint('again')
    expect(await brought('/f')).toEqual(['a: again', 'b: again'])
  })

  test('is refused for what has no lines', async () => {
    fs.writeFileSync('/binary', Buffer.from([1, 0, 2]))
    fs.writeFileSync('/empty', '')
    fs.mkdirSync('/d')
    await volume.checkpoint('one')
    await expect(volume.blame('/binary')).rejects.toMatchObject({ code: 'ERR_BINARY' })
    await expect(volume.blame('/d')).rejects.toMatchObject({ code: 'EISDIR' })
    await expect(volume.blame('/none')).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await volume.blame('/empty')).toEqual([])
    // Text now, and not before.
    fs.writeFileSync('/binary', 'text\n')
    await volume.checkpoint('two')
    expect(await brought('/binary')).toEqual(['text: two'])
  })

  test('keeps owners through moved neighbours', () => {
    const found = new Blame()
    found.add(['a\n', 'b\n', 'c\n'], 0, false)
    found.add(['x\n', 'a\n', 'c\n', 'd\n'], 1, false)
    found.add(['a\n', 'c\n', 'd\n', 'y'], 2, false)
    expect(found.lines.map(({ text, owner }) => text.trim() + owner)).toEqual(['a0', 'c0', 'd1', 'y2'])
  })
})

test('cairn blame', async () => {
  const run = new CliRun()
  try {
    await run.ok('init', 'work')
    await run.fed('one\ntwo\n', 'write', 'work:/f')
    await run.ok('checkpoint', 'save', 'work', 'first')
    await run.fed('one\n2\n', 'write', 'work:/f')
    await run.ok('checkpoint', 'save', 'work', 'second')
    const lines = (await run.ok('blame', 'work:/f')).split('\n')
    expect(lines[0]).toMatch(/^[0-9a-z]{10} .*\d\d:\d\d:\d\d 1 one$/)
    expect(lines[1]).toMatch(/ 2 2$/)
    const commits = (await run.json<Array<{ id: string }>>('log', 'work:/f')).map(entry => entry.id)
    expect((await run.json<Array<{ commit: string }>>('blame', 'work:/f')).map(line => line.commit)).toEqual(commits.reverse())
    expect(await run.cairn('blame', 'work')).toMatchObject({ code: 2, err: expect.stringContaining('names no file') })
    expect((await run.cairn('blame', 'work@nope:/f')).err).toMatch(/no checkpoint or commit 'nope'/)
  } finally {
    run.remove()
  }
})
