import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { FileSystem } from '../../src/fs/index.js'
import { createFs, LocalBackend, LocalOps } from '../../src/node/index.js'
import type { StoreLocation } from '../../src/store/url.js'
import { Engine } from '../../src/volume/engine.js'
import type { Volume } from '../../src/volume/volume.js'

/** As one front end sees a volume for as long as it is open. */
export const shape = (volume: Volume) => createFs(new LocalBackend(new LocalOps(new FileSystem(volume.session))))

/** Engines of several hosts and the store that they share, new for each test of the file that calls `useHosts`. */
export class SharedFolder {
  folder = ''
  engines: Engine[] = []

  get address(): StoreLocation {
    return { kind: 'directory', path: join(this.folder, 'there') }
  }

  begin(): void {
    this.folder = mkdtempSync(join(tmpdir(), 'cairn-readers-'))
    this.engines = []
  }

  end(): void {
    for (const engine of this.engines) engine.crash()
    rmSync(this.folder, { recursive: true, force: true })
  }

  readonly host = (name: string, onRefreshed?: () => void): Engine => {
    const engine = Engine.open({ home: join(this.folder, name), refreshMs: 1, ...(onRefreshed === undefined ? {} : { onRefreshed }) })
    this.engines.push(engine)
    return engine
  }
}

export async function publish(engine: Engine, volume: Volume): Promise<void> {
  volume.flush()
  await engine.publish(volume)
}

export function useHosts(): SharedFolder {
  const shared = new SharedFolder()
  beforeEach(() => shared.begin())
  afterEach(() => shared.end())
  return shared
}
