import { realpathSync } from 'node:fs'
import * as hostFiles from 'node:fs/promises'
import { resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { formatAddress, parseAddress } from '../sdk/address.js'
import { mountOf } from '../sdk/mount-table.js'
import type { OpenVolume } from '../sdk/types.js'
import { usageError } from './errors.js'

/** What both the host and an open volume offer: node:fs/promises. */
export type Files = OpenVolume['fs']['promises']

/** Where an operand leads, with the file API to use there. */
export interface Place {
  /** `mounted`: a path of the host that lies in a mounted volume. */
  kind: 'volume' | 'mounted' | 'host' | 'stdio'
  files: Files
  /** Absolute, within the volume or the host. */
  path: string
  volume?: string
  ref?: string
  /** Before a path of `files`, to make it an address: `work:` or nothing. */
  prefix: string
  /** As the user wrote it. */
  shown: string
}

export interface PlaceRules {
  /** Files of the host that are in no mount are allowed (cp). */
  host?: boolean
  /** `-` is allowed. */
  stdio?: boolean
  /** The command changes what is there, which a state of the past refuses. */
  writes?: boolean
}

/** A function, because the bundle loads the module when it is first touched. */
const host = (): Files => hostFiles as unknown as Files

/** True when a relative path is meant inside a mounted directory: nothing named so is a volume, or a file has that name. */
async function isLocalName(text: string): Promise<boolean> {
  if (/[@:]/.test(text)) return false
  return hostFiles.lstat(text).then(
    () => true,
    () => false,
  )
}

/** The absolute path with its parents resolved and its last component as it is. */
function absolute(path: string): string {
  const full = resolve(path)
  if (full === '/') return full
  const slash = full.lastIndexOf('/')
  try {
    return `${realpathSync(full.slice(0, slash) || '/')}/${full.slice(slash + 1)}`.replace('//', '/')
  } catch {
    return full
  }
}

function hostPlace(text: string, rules: PlaceRules): Place {
  const mounted = mountOf(absolute(text)) !== undefined || mountOf(resolve(text)) !== undefined
  if (!mounted && rules.host !== true) {
    const remedy = rules.writes
      ? 'Write VOLUME:/path; files of the host are changed only by the programs of the host, and by `cairn export`.'
      : 'Write VOLUME:/path, or go into a mounted directory.'
    throw usageError(`${text} is a path of the host, in no mounted volume.`, remedy)
  }
  // As typed, so that messages are; a trailing slash keeps its meaning.
  return { kind: mounted ? 'mounted' : 'host', files: host(), path: text, prefix: '', shown: text }
}

/** Opens what operands name. */
export class Places {
  private readonly opened = new Map<string, Promise<OpenVolume>>()
  private readonly open: (name: string, ref?: string) => Promise<OpenVolume>
  private readonly defaultVolume: () => Promise<string | undefined>
  private readonly isVolume: (name: string) => Promise<boolean>

  constructor(options: {
    open: (name: string, ref?: string) => Promise<OpenVolume>
    defaultVolume: () => Promise<string | undefined>
    isVolume: (name: string) => Promise<boolean>
  }) {
    this.open = options.open
    this.defaultVolume = options.defaultVolume
    this.isVolume = options.isVolume
  }

  /** Opens the volume at most once per state. */
  volume(name: string, ref?: string): Promise<OpenVolume> {
    const key = formatAddress(ref === undefined ? { volume: name } : { volume: name, ref })
    let volume = this.opened.get(key)
    if (volume === undefined) {
      volume = this.open(name, ref)
      this.opened.set(key, volume)
    }
    return volume
  }

  /**
   * Where `text` leads.
   * @throws CairnError ERR_USAGE for a host path where the rules allow none, ERR_VOLUME_UNKNOWN, ERR_REF_UNKNOWN and those of parseAddress
   */
  async locate(text: string, rules: PlaceRules = {}): Promise<Place> {
    const address = await this.parse(text)
    if (address.kind === 'stdio') {
      if (rules.stdio === true) return { kind: 'stdio', files: host(), path: '-', prefix: '', shown: '-' }
      throw usageError('`-` is stdin or stdout, which this command does not take.', 'Write VOLUME:/path.')
    }
    if (address.kind === 'host') return hostPlace(address.path, rules)
    if (rules.writes === true && address.ref !== undefined) {
      throw new CairnError(
        'EROFS',
        `${text} is a state of the past, which nothing can change.`,
        `Leave out @${address.ref}, or make a volume of it with \`cairn fork\`.`,
      )
    }
    const volume = await this.volume(address.volume, address.ref)
    return {
      ...address,
      files: volume.fs.promises,
      prefix: `${formatAddress({ volume: address.volume, ...(address.ref && { ref: address.ref }) })}:`,
      shown: text,
    }
  }

  /** True for a name that means a path here, because this is a mounted directory: that of a file, also of one that is gone, unless it is a volume's. */
  async isPlainName(text: string): Promise<boolean> {
    const bare = text !== '' && text !== '-' && !text.includes(':') && !text.includes('@')
    return bare && mountOf(process.cwd()) !== undefined && ((await isLocalName(text)) || text.includes('/') || !(await this.isVolume(text)))
  }

  private async parse(text: string) {
    if (await this.isPlainName(text)) return { kind: 'host', path: text } as const
    return parseAddress(text, text.startsWith(':') || text.startsWith('@') ? await this.defaultVolume() : undefined)
  }

  async close(): Promise<void> {
    const volumes = await Promise.allSettled(this.opened.values())
    for (const volume of volumes) if (volume.status === 'fulfilled') await volume.value.close()
  }
}
