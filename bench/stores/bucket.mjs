import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TEST_VARIABLES } from '../../dist/testing/object-server/environment.js'
import { spawnS3Server } from '../../dist/testing/object-server/spawn.js'

const here = dirname(fileURLToPath(import.meta.url))
const bin = join(here, '../../bin/cairn')

/** A bucket in a server process of its own, and hosts that use it: homes in folders. */
export class Bucket {
  #server
  #folder

  /** @param options of the server */
  static async start(folder, options = {}) {
    const bucket = new Bucket()
    bucket.#folder = folder
    bucket.#server = await spawnS3Server(options)
    return bucket
  }

  get endpoint() {
    return this.#server.endpoint
  }

  home(host) {
    return join(this.#folder, host)
  }

  env(host) {
    return { ...process.env, ...TEST_VARIABLES, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', CAIRN_HOME: this.home(host), CAIRN_IDLE_MS: '2000' }
  }

  place(prefix) {
    return { store: `s3://bucket/${prefix}`, region: 'us-east-1', endpoint: this.endpoint, pathStyle: true }
  }

  latency(ms) {
    return this.#server.setLatency(ms)
  }

  /** Runs `work`; returns what it returned, and the requests and bytes that it cost. */
  async counted(work) {
    await this.#server.reset()
    const result = await work()
    const { counts } = await this.#server.counts()
    const sum = name => Object.values(counts).reduce((total, count) => total + count[name], 0)
    return { result, requests: sum('requests'), up: sum('bytesIn'), down: sum('bytesOut'), counts }
  }

  /** A job of client.mjs in a process of its own, as a host; returns what it printed. */
  async client(host, job) {
    return JSON.parse(await output(process.execPath, [join(here, 'client.mjs'), JSON.stringify({ ...job, home: this.home(host) })], this.env(host)))
  }

  cairn(host, ...args) {
    return output(process.execPath, [bin, ...args], this.env(host))
  }

  async attach(host, name, prefix) {
    const { store, region, endpoint } = this.place(prefix)
    await this.cairn(host, 'init', name, '--store', store, '--region', region, '--endpoint', endpoint, '--path-style')
  }

  /** Waits until a host's server, which nobody uses, has ended. */
  async idle(host) {
    const { pid } = JSON.parse(readFileSync(join(this.home(host), 'run', 'supervisor.json'), 'utf8'))
    for (;;) {
      try {
        process.kill(pid, 0)
      } catch {
        return
      }
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }

  /** Makes a host one that has read nothing. */
  forget(host) {
    const stores = join(this.home(host), 'stores')
    for (const cache of caches(stores)) rmSync(cache, { recursive: true, force: true })
  }

  close() {
    return this.#server.close()
  }
}

function caches(stores) {
  try {
    return readdirSync(stores).map(id => join(stores, id, 'cache'))
  } catch {
    return []
  }
}

/** Output of a program, which must succeed. Never synchronous: the server is another process, but its counts come through this one. */
export function output(file, args, env, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const texts = ['', '']
    child.stdout.on('data', data => {
      texts[0] += data
    })
    child.stderr.on('data', data => {
      texts[1] += data
    })
    child.on('close', code => (code === 0 ? resolve(texts[0]) : reject(new Error(`${file} ${args.join(' ')} exited with ${code}: ${texts[0]}${texts[1]}`))))
  })
}
