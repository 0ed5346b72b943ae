import { expect, it } from 'vitest'
import { CairnError } from '../errors.js'
import type { Host, Opened } from './host.js'
import { orSuccessor } from './successor.js'

const noServer = new CairnError('ERR_NO_SERVER', 'Nobody listens.', 'Start one.')
const ended = (cause: unknown): CairnError => new CairnError('ERR_SERVER_LOST', 'The cairn server has ended.', 'Open the volume again.', { cause })

function host(answer: () => unknown, isServer = true): Host {
  return { isServer, call: async () => answer(), open: async () => answer() as Opened, close: async () => undefined }
}

function fails(error: unknown): () => never {
  return () => {
    throw error
  }
}

it('asks whoever takes the place of a server that ended before it was asked, once', async () => {
  const asked = orSuccessor(host(fails(ended(noServer))), async () => host(() => 'from the next'))
  expect(await asked.call('info', 'w')).toBe('from the next')
  expect(await asked.open('w')).toBe('from the next')
  const never = orSuccessor(host(fails(ended(noServer))), async () => host(fails(ended(noServer))))
  await expect(never.call('info', 'w')).rejects.toMatchObject({ code: 'ERR_SERVER_LOST' })
})

it('asks nobody twice what may have been done, or what only the one that ended knew', async () => {
  const next = async (): Promise<Host> => host(() => 'done twice')
  await expect(orSuccessor(host(fails(ended(undefined))), next).call('remove', 'w')).rejects.toMatchObject({ code: 'ERR_SERVER_LOST' })
  await expect(orSuccessor(host(fails(ended(noServer))), next).call('logNext', 7)).rejects.toMatchObject({ code: 'ERR_SERVER_LOST' })
  await expect(orSuccessor(host(fails(noServer)), next).call('info', 'w')).rejects.toBe(noServer)
})
