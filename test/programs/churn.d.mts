import type { Engine } from '../../src/volume/engine.js'

type Files = Map<string, { size: number; seed: number }>

export function churn(engine: Engine, seed: number, steps: number, files?: Files): Files
export function differences(engine: Engine, name: string, files: Files): string[]
export function openEngine(home: string): Engine
