export interface Step {
  op: string
  name?: string
}
export function operations(seed: number, count: number): Step[]
export function applyToModel(model: Map<string, Buffer>, step: Step): void
export function contents(fs: unknown): Map<string, Buffer>
export function sameContents(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean
