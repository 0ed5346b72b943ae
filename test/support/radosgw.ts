import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Radosgw {
  endpoint: string
  accessKeyId: string
  secretAccessKey: string
  stop(): Promise<void>
}

const PROGRAMS = ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'ceph', 'setpriv']
const KEY = 'TESTKEY'
const START_MS = 300_000

/** Why Ceph's S3 server cannot be started here; undefined when it can. */
export function radosgwMissing(): string | undefined {
  const missing = PROGRAMS.filter(name => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
  if (missing.length > 0) return `${missing.join(', ')} not installed (Debian: radosgw ceph-mon ceph-osd)`
  return process.getuid?.() === 0 ? undefined : 'it is started as root only'
}

/** One monitor, one object server in memory and one gateway on free ports of 127.0.0.1; some 400 MB, 2 to 4 s. */
export async function startRadosgw(): Promise<Radosgw> {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-rgw-'))
  for (const name of ['mon', 'osd', 'run', 'log']) mkdirSync(join(folder, name))
  const [http, v2, v1] = await freePorts(3)
  const monitors = `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`
  const cluster = randomUUID()
  const conf = join(folder, 'ceph.conf')
  writeFileSync(conf, configuration(folder, cluster, monitors, http))
  const env = { ...process.env, CEPH_CONF: conf, CEPH_ARGS: `--conf ${conf}` }
  const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { env, stdio: 'ignore', timeout: START_MS })
  const servers: ChildProcess[] = []
  // In the foreground, and gone when this process is killed.
  const serve = (...command: string[]): void => void servers.push(spawn('setpriv', ['--pdeathsig', 'KILL', ...command, '-f'], { env, stdio: 'ignore' }))
  const stop = async (): Promise<void> => {
    const running = servers.filter(server => server.exitCode === null && server.signalCode === null)
    const ended = running.map(server => once(server, 'exit'))
    for (const server of running) server.kill('SIGKILL')
    await Promise.all(ended)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    run('monmaptool', '--create', '--fsid', cluster, '--addv', 'a', monitors, join(folder, 'monmap'))
    run('ceph-mon', '-i', 'a', '--mkfs', '--monmap', join(folder, 'monmap'))
    serve('ceph-mon', '-i', 'a')
    const disk = randomUUID()
    run('ceph', 'osd', 'new', disk)
    run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', disk)
    serve('ceph-osd', '-i', '0')
    run('radosgw-admin', 'user', 'create', '--uid=t', '--display-name=t', `--access-key=${KEY}`, `--secret=${KEY}`)
    serve('radosgw', '-n', 'client.rgw')
    const endpoint = `http://127.0.0.1:${http}`
    await answers(endpoint)
    return { endpoint, accessKeyId: KEY, secretAccessKey: KEY, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function configuration(folder: string, cluster: string, monitors: string, port: number): string {
  return `[global]
fsid = ${cluster}
mon_host = ${monitors}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_max_pg_per_osd_hard_ratio = 10
osd_objectstore = memstore
memstore_device_bytes = 4294967296
ms_bind_ipv4 = true
public_addr = 127.0.0.1
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
pid_file = ${folder}/run/$name.pid
log_file = ${folder}/log/$name.log
mon_data = ${folder}/mon
osd_data = ${folder}/osd
mon_data_avail_crit = 1
paxos_propose_interval = 0.05
[client.rgw]
ms_mon_client_mode = crc
rgw_frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw_dns_name = localhost
rgw_run_sync_thread = false
rgw_enable_usage_log = false
rgw_enable_gc_threads = false
`
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>(resolve =>
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          }),
        ),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

async function answers(endpoint: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await fetch(endpoint)
      return
    } catch (error) {
      if (tries === 3000) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}
