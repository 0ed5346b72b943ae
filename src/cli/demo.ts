import { mkdtemp } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CairnError } from '../errors.js'
import { mountSupport } from '../sdk/doctor.js'
import type { CairnApi, Check } from '../sdk/types.js'
import type { Context } from './context.js'
import { cleanUp } from './demo-cleanup.js'
import { runInProcess, runMounted } from './demo-scenes.js'
import { duration } from './format.js'
import type { Run } from './spec.js'

/** What one step showed. */
export interface Step {
  step: string
  detail: string
  ms: number
}

class Stopped extends Error {}

/** A throw-away home with one volume, and the steps that were shown in it. */
export class Demo {
  readonly home: string
  readonly mountpoint: string
  readonly steps: Step[] = []
  private readonly context: Context
  private readonly opened: CairnApi[] = []
  private part = 'home'
  /** Asked to end: no further step begins. The running one is waited for, because what it starts must be there to be cleaned up. */
  stoppedBy: NodeJS.Signals | undefined

  constructor(context: Context, home: string) {
    this.context = context
    this.home = home
    this.mountpoint = join(home, 'workspace')
  }

  /** A connection of its own: the one before may have lost its server. */
  async cairn(): Promise<CairnApi> {
    const { Cairn } = await import('../sdk/cairn.js')
    const cairn: CairnApi = await Cairn.open({ home: join(this.home, this.part) })
    this.opened.push(cairn)
    return cairn
  }

  /** Runs one step, times it and prints it. `work` returns what it showed. */
  async step(step: string, work: () => Promise<string>): Promise<void> {
    this.endIfStopped()
    const started = performance.now()
    const detail = await work()
    this.endIfStopped()
    const ms = performance.now() - started
    this.steps.push({ step, detail, ms: Math.round(ms * 10) / 10 })
    if (this.context.json) return
    const { out } = this.context
    await out.lines([`${out.green('✓')} ${step.padEnd(34)} ${out.dim(duration(ms).padStart(8))}   ${detail}`])
  }

  private endIfStopped(): void {
    if (this.stoppedBy !== undefined) throw new Stopped()
  }

  async say(text: string): Promise<void> {
    if (!this.context.json) await this.context.out.lines([text])
  }

  /** From the beginning, with a home that no server has. */
  startOver(): void {
    this.steps.length = 0
    this.part = 'home-in-process'
  }

  async close(): Promise<void> {
    for (const cairn of this.opened) await cairn.close().catch(() => {})
  }
}

/** Shows the main job end to end and leaves nothing behind, on Ctrl-C too. */
export const run: Run = async (context, _args, options) => {
  const folder = await mkdtemp(join(tmpdir(), 'cairn-demo-'))
  const demo = new Demo(context, folder)
  const keep = options['keep'] === true
  const onSignal = (signal: NodeJS.Signals) => {
    demo.stoppedBy = signal
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const started = performance.now()
  let obstacle: Obstacle | undefined = mountSupport().find(check => !check.ok)
  try {
    await demo.say('A volume is made in a throw-away folder, used by ordinary programs, and everything that serves it is killed.\n')
    obstacle ??= await tryMounted(demo)
    if (obstacle !== undefined) await withoutMount(demo, `${obstacle.detail.replace(/\.$/, '')}. ${obstacle.fix ?? ''}`)
  } catch (error) {
    // A program that Ctrl-C ended as well makes its step fail, which is no failure of the demo.
    if (demo.stoppedBy === undefined) throw error
    return 128 + constants.signals[demo.stoppedBy]
  } finally {
    await demo.close()
    await cleanUp(join(folder, 'home'), keep ? undefined : folder)
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
  const totalMs = Math.round(performance.now() - started)
  await context.result(
    {
      ok: true,
      mounted: obstacle === undefined,
      ...(obstacle !== undefined && { reason: obstacle.detail }),
      steps: demo.steps,
      totalMs,
      ...(keep && { kept: folder }),
    },
    () => [
      '',
      `All of it held, in ${duration(totalMs)}. ${keep ? `Kept: ${folder} (CAIRN_HOME=${join(folder, 'home')}).` : 'Everything was cleaned up.'}`,
      obstacle === undefined ? 'Next: `cairn init work && cairn mount work ./work`.' : 'Next: `cairn init work && echo hello | cairn write work:/hello`.',
    ],
  )
  return 0
}

type Obstacle = Pick<Check, 'detail' | 'fix'>

/** What the kernel or a container forbids can be seen only by trying. */
async function tryMounted(demo: Demo): Promise<Obstacle | undefined> {
  try {
    await runMounted(demo)
    return undefined
  } catch (error) {
    const refused = error instanceof CairnError && /^ERR_(FUSE_|MOUNT$)/.test(error.code)
    if (!refused || demo.steps.length !== 1) throw error
    demo.startOver()
    return { detail: error.message, fix: error.remedy }
  }
}

async function withoutMount(demo: Demo, why: string): Promise<void> {
  await demo.say(`Mounting is impossible here: ${why}`)
  await demo.say('The rest is shown in process.\n')
  await runInProcess(demo)
}
