import { afterEach, beforeEach, expect } from 'vitest'
import { TEST_VARIABLES } from '../../src/testing/object-server/environment.js'
import { S3Server } from '../../src/testing/object-server/s3-server.js'
import { MountedHome, type Result } from './mounted-home.js'

/** Hosts that share a bucket, whose server runs in this process: nothing may block here. Both are new for each test of the file that calls `useBucket`. */
export class BucketHosts {
  server!: S3Server // set before each test
  /** What all commands of a test printed. */
  said: string[] = []
  hosts: MountedHome[] = []

  async begin(): Promise<void> {
    this.server = await new S3Server().start()
    this.hosts = []
    this.said = []
  }

  async end(): Promise<void> {
    for (const host of this.hosts) await host.end()
    await this.server.close()
  }

  /** A host of its own: another home, the same bucket. */
  readonly host = (env: Record<string, string> = {}): MountedHome => {
    const made = new MountedHome({ ...TEST_VARIABLES, CAIRN_IDLE_MS: '2000', ...env })
    this.hosts.push(made)
    return made
  }

  readonly cairn = async (on: MountedHome, ...args: string[]): Promise<Result> => {
    const result = await on.cairn(...args)
    this.said.push(result.output)
    return result
  }

  readonly must = async (on: MountedHome, ...args: string[]): Promise<string> => {
    const { code, output } = await this.cairn(on, ...args)
    expect(code, `cairn ${args.join(' ')}: ${output}\n${on.log()}`).toBe(0)
    return output
  }

  /** Arguments of `init` for a store in the bucket. */
  store(prefix: string): string[] {
    return ['--store', `s3://bucket/${prefix}`, '--region', 'us-east-1', '--endpoint', this.server.endpoint, '--path-style']
  }
}

export function useBucket(): BucketHosts {
  const bucket = new BucketHosts()
  beforeEach(() => bucket.begin())
  afterEach(() => bucket.end())
  return bucket
}
