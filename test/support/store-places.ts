import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreLocation } from '../../src/store/url.js'
import { cloudEnvironment, TEST_VARIABLES } from '../../src/testing/object-server/environment.js'
import { type SpawnedS3, spawnGcsServer, spawnS3Server } from '../../src/testing/object-server/spawn.js'

/** A place for a store of each kind that volumes may lie in, between `start` and `end`. */
export class StorePlaces {
  folder = ''
  #servers: SpawnedS3[] = []
  #putBack = (): void => {}

  static readonly kinds = ['file', 'sqlite', 'lmdb', 's3', 'gcs'] as const

  async start(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'cairn-stores-'))
    // In processes of their own: an engine waits for them, and they must answer meanwhile.
    this.#servers = await Promise.all([spawnS3Server(), spawnGcsServer({ tokens: [''] })])
    this.#putBack = cloudEnvironment({ ...TEST_VARIABLES, STORAGE_EMULATOR_HOST: this.#servers[1].endpoint })
  }

  async end(): Promise<void> {
    this.#putBack()
    await Promise.all(this.#servers.map(server => server.close()))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** @param part of several of a kind */
  of(kind: (typeof StorePlaces.kinds)[number], part = ''): StoreLocation {
    const bucket = { bucket: 'bucket', prefix: `agents${part}/` }
    switch (kind) {
      case 'file':
        return { kind, path: join(this.folder, `shared${part}`) }
      case 'sqlite':
        return { kind, path: join(this.folder, `ws${part}.cairn`) }
      case 'lmdb':
        return { kind, path: join(this.folder, `lmdb${part}`) }
      case 's3':
        return { kind, ...bucket, region: 'us-east-1', endpoint: this.#servers[0].endpoint, pathStyle: true }
      case 'gcs':
        return { kind, ...bucket }
    }
  }
}
