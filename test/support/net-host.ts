import { execFileSync } from 'node:child_process'
import { MountedHome, type Result, run } from './mounted-home.js'

const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Why no network of its own can be made here; undefined when it can. */
export function whyNoNetwork(): string | undefined {
  const name = `cairn-try-${process.pid}`
  try {
    ip('netns', 'add', name)
    ip('link', 'add', 'cairntry', 'type', 'veth', 'peer', 'name', 'cairntry', 'netns', name)
    return undefined
  } catch (error) {
    return `no network namespaces: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`
  } finally {
    try {
      ip('netns', 'del', name)
    } catch {}
  }
}

/** A host with a network of its own, whose cable to this one can be pulled. */
export class NetHost extends MountedHome {
  /** This machine as that host reaches it. */
  readonly gateway: string
  readonly #name: string
  readonly #cable: string

  /** @param number from 1 to 250: of its network */
  constructor(number: number, env: NodeJS.ProcessEnv) {
    super(env)
    const id = `${process.pid % 10_000}${String.fromCharCode(96 + (number % 26))}`
    this.#name = `cairn-${id}`
    this.#cable = `cairn${id}`
    // Others may run the same at the same time.
    const network = `10.${100 + (process.pid % 150)}.${number}`
    this.gateway = `${network}.1`
    ip('netns', 'add', this.#name)
    ip('link', 'add', this.#cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', this.#name)
    ip('address', 'add', `${this.gateway}/24`, 'dev', this.#cable)
    ip('link', 'set', this.#cable, 'up')
    ip('-n', this.#name, 'address', 'add', `${network}.2/24`, 'dev', 'eth0')
    ip('-n', this.#name, 'link', 'set', 'eth0', 'up')
    ip('-n', this.#name, 'link', 'set', 'lo', 'up')
  }

  /** Only its network is another one: mounts are seen here too. */
  override cairn(...args: string[]): Promise<Result> {
    return run('nsenter', [`--net=/run/netns/${this.#name}`, process.execPath, MountedHome.command, ...args], { env: this.env })
  }

  unplug(): void {
    ip('link', 'set', this.#cable, 'down')
  }

  plugIn(): void {
    ip('link', 'set', this.#cable, 'up')
  }

  override async end(): Promise<void> {
    await super.end()
    ip('netns', 'del', this.#name)
  }
}
