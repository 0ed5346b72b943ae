import '../../../test/support/without-syncs.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MergeRig, Workspace } from '../../testing/merge-rig.js'
import { purge } from '../purge/purge.js'
import { rebaseFork } from './merge.js'

const SECRET = 'the secret: hunter2\n'

let rig: MergeRig

beforeEach(() => {
  rig = new MergeRig()
})

afterEach(() => rig.end())

function purgeFrom({ volume }: Workspace, path: string): void {
  for (const _ of purge(volume, path, { recursive: true }));
}

/** The fork has a secret that is purged from the volume that it comes from, then `theirs` goes on. */
function begin(theirs: (fork: Workspace) => void = () => {}): void {
  rig.begin(base => {
    base.fs.mkdirSync('/keys')
    base.make('/keys/secret', SECRET)
    base.make('/other', 'one\n')
  })
  purgeFrom(rig.ours, '/keys')
  theirs(rig.theirs)
  rig.theirs.save('/other', 'two\n')
}

/** What a merge leaves: nothing of the secret, under whatever name. */
function expectLeftOut(paths: string[]): void {
  const result = rig.merge()
  expect(result).toMatchObject({ state: 'merged', conflicts: [], leftOut: paths })
  expect(rig.ours.tree()).toEqual({ '/other': '644 two\n' })
}

describe('what was purged does not come back by a merge from a fork that still has it', () => {
  it('when the fork left it as it was', () => {
    begin()
    expectLeftOut(['/keys'])
  })

  it.each(['in place', 'by rename'] as const)('when the fork changed it, saved %s', saving => {
    begin(({ volume }) => {
      rig.theirs = new Workspace(volume, saving)
      rig.theirs.save('/keys/secret', `changed ${SECRET}`)
    })
    expectLeftOut(['/keys'])
  })

  it('when the fork renamed or linked it', () => {
    begin(({ fs }) => {
      fs.linkSync('/keys/secret', '/linked')
      fs.renameSync('/keys/secret', '/renamed')
    })
    expectLeftOut(['/keys', '/linked', '/renamed'])
  })

  it('when the fork moved its directory, or put something else there', () => {
    begin(({ fs }) => {
      fs.renameSync('/keys', '/moved')
      fs.mkdirSync('/keys')
      fs.writeFileSync('/keys/new', SECRET)
    })
    expectLeftOut(['/keys', '/moved'])
  })

  it('when the fork goes on changing it after a merge', () => {
    begin(({ volume }) => {
      rig.theirs = new Workspace(volume, 'by rename')
      rig.theirs.save('/keys/secret', `changed ${SECRET}`)
    })
    expectLeftOut(['/keys'])
    rig.theirs.save('/keys/secret', `changed again ${SECRET}`)
    expectLeftOut(['/keys'])
    rig.theirs.fs.renameSync('/keys/secret', '/renamed')
    expectLeftOut(['/keys', '/renamed'])
  })

  it('nor when a fork from which it was purged is rebased', () => {
    rig.begin(base => {
      base.make('/secret', SECRET)
      base.make('/other', 'one\n')
    })
    purgeFrom(rig.theirs, '/secret')
    rig.ours.save('/secret', `changed ${SECRET}`)
    rig.ours.save('/other', 'two\n')
    expect(rebaseFork(rig.theirs.volume, rig.ours.volume)).toMatchObject({ state: 'merged', leftOut: ['/secret'] })
    expect(rig.theirs.tree()).toEqual({ '/other': '644 two\n' })
    rig.check(rig.theirs)
  })

  it('what was made there again stays', () => {
    begin(({ volume }) => {
      rig.theirs = new Workspace(volume, 'by rename')
      rig.theirs.save('/keys/secret', `changed ${SECRET}`)
      rig.ours.fs.mkdirSync('/keys')
      rig.ours.make('/keys/secret', 'harmless\n')
    })
    expect(rig.merge()).toMatchObject({ state: 'merged', conflicts: [], leftOut: ['/keys'] })
    expect(rig.ours.read('/keys/secret')).toBe('harmless\n')
  })

  it('unless it is told to', () => {
    begin()
    expect(rig.merge({ withPurged: true })).not.toHaveProperty('leftOut')
    expect(rig.ours.read('/keys/secret')).toBe(SECRET)
  })

  it('a dry run says what would be left out, and nothing of it is kept', () => {
    begin()
    expect(rig.merge({ dryRun: true })).toMatchObject({ state: 'trial', leftOut: ['/keys'] })
    expectLeftOut(['/keys'])
  })
})

describe('what is no secret comes', () => {
  it('under other names of the purged file, and at the path in forks that were made afterwards', () => {
    rig.begin(base => {
      base.make('/a', 'shared\n')
      base.fs.linkSync('/a', '/b')
    })
    purgeFrom(rig.ours, '/a')
    rig.theirs.save('/b', 'changed\n')
    expect(rig.merge()).toMatchObject({ state: 'merged', leftOut: ['/a'] })
    expect(rig.ours.tree()).toEqual({ '/b': '644 changed\n' })
    rig.engine.fork('ours', undefined, 'later')
    const later = new Workspace(rig.engine.openVolume('later'), 'in place')
    later.make('/a', 'harmless\n')
    rig.theirs = later
    expect(rig.merge()).not.toHaveProperty('leftOut')
    expect(rig.ours.read('/a')).toBe('harmless\n')
  })
})
