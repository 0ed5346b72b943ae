import type { VolumeFs } from '../../src/node/index.js'
import type { Engine } from '../../src/volume/engine.js'
import type { Session } from '../../src/volume/session.js'
import type { Volume } from '../../src/volume/volume.js'

export interface Step {
  op: string
  name?: string
  from?: string
  to?: string
  at?: number
  size?: number
  content?: { size: number; seed: number }
}
export function operations(seed: number, count: number): Step[]
export function copyModel(model: ReadonlyMap<string, Buffer>): Map<string, Buffer>
export function applyToModel(model: Map<string, Buffer>, step: Step): void
export function applyToVolume(engine: Engine, volume: Volume, fs: VolumeFs, make: (session: Session) => VolumeFs, step: Step): void
export function contents(fs: VolumeFs): Map<string, Buffer>
export function sameContents(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean
