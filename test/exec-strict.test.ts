import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findTools } from '../src/exec/index.js'
import { MountedHome, type Result, whyNoMount } from './support/mounted-home.js'

const { bubblewrap } = await findTools()

/** Mounts of its own, in which bubblewrap is not: a layer over its folder says so. */
const WITHOUT = `
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" && mknod "$1/upper/$3" c 0 0 || exit 99
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$2" && [ ! -e "$2/$3" ] || exit 99
shift 3; exec "$@"`

describe.skipIf(whyNoMount() !== undefined)('where bubblewrap is not installed', () => {
  let home: MountedHome
  let words: string[]
  let canHide: boolean

  beforeAll(async () => {
    home = new MountedHome()
    await home.must('init', 'w')
    const layer = join(home.folder, 'layer')
    mkdirSync(layer)
    const hiding = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', WITHOUT, 'sh', layer, dirname(bubblewrap?.path ?? '/bin/bwrap'), 'bwrap']
    words = bubblewrap === undefined ? [] : hiding
    canHide = bubblewrap === undefined || spawnSync(words[0], [...words.slice(1), 'true']).status === 0
  })
  afterAll(() => home.end())

  const cairn = (...args: string[]): Result => {
    const [file, ...rest] = [...words, process.execPath, MountedHome.command, ...args]
    const { status, stdout } = spawnSync(file, rest, { env: home.env, encoding: 'utf8', timeout: 60_000 })
    return { code: status ?? 99, output: stdout }
  }

  it('a command that must have a sandbox is not run, in a fork neither, and is told why', context => {
    if (!canHide) context.skip()
    for (const more of [[], ['--fork']]) {
      const { code, output } = cairn('exec', 'w', '--json', '--sandbox', 'strict', ...more, '--', 'touch', 'made')
      expect({ code, ...JSON.parse(output) }).toMatchObject({
        code: 125,
        error: { code: 'ERR_SANDBOX_MISSING', message: expect.stringContaining('bubblewrap is not installed') },
      })
    }
    expect(cairn('ls', 'w:/')).toEqual({ code: 0, output: '' })
    expect(JSON.parse(cairn('volumes', '--deleted', '--json').output)).toEqual([])
  })
})
