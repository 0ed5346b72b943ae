import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { looksLikeHostPath, parseVolumeRef } from '../sdk/address.js'
import type { Resolved, Settings } from '../sdk/config.js'
import { keySettings } from '../sdk/keys.js'
import { mountOf } from '../sdk/mount-table.js'
import type { CairnApi, CairnOptions, MountInfo, OpenVolume } from '../sdk/types.js'
import { assert } from '../sys/assert.js'
import { about, NOT_RUN, type Told, tell, usageError } from './errors.js'
import type { Output, Streams } from './output.js'
import { type Place, type PlaceRules, Places } from './places.js'
import { nearest } from './suggest.js'

/** How a run reaches volumes; a test passes a fake. */
export type OpenCairn = (options: CairnOptions) => Promise<CairnApi>

/** What a command is given: output, settings, volumes; everything is opened when first asked for. */
export class Context {
  readonly json: boolean
  readonly out: Output
  /** The command changes no volume. */
  private onlyReads: boolean
  /** Operands behind `--`, of a command that takes globs there. */
  readonly globs: readonly string[]
  private readonly openCairn: OpenCairn
  private readonly homeArgument: string | undefined
  private readonly actorArgument: string | undefined
  private readonly commandLine: readonly string[] | undefined
  private opening: Promise<CairnApi> | undefined
  private resolved: Promise<Resolved> | undefined
  private settingArguments: Partial<Settings> = {}
  private readonly places: Places

  constructor(options: {
    json: boolean
    out: Output
    home?: string
    actor?: string
    commandLine?: readonly string[]
    globs?: readonly string[]
    reads?: boolean
    open: OpenCairn
  }) {
    this.json = options.json
    this.out = options.out
    this.globs = options.globs ?? []
    this.onlyReads = options.reads === true
    this.homeArgument = options.home
    this.actorArgument = options.actor
    this.commandLine = options.commandLine
    this.openCairn = options.open
    this.places = new Places({
      open: (name, ref) => this.openVolume(name, ref),
      defaultVolume: async () => (await this.config()).settings.volume,
      isVolume: async name => (await (await this.cairn()).volumes()).some(volume => volume.name === name),
    })
  }

  get streams(): Streams {
    return this.out.streams
  }

  /** The settings with their origins. */
  config(): Promise<Resolved> {
    this.resolved ??= import('../sdk/config.js').then(({ loadSettings }) =>
      loadSettings({ env: this.streams.env, arguments: { ...this.settingArguments, ...(this.homeArgument !== undefined && { home: this.homeArgument }) } }),
    )
    return this.resolved
  }

  /** What options of the command say of settings; before the first look at them. */
  argue(settings: Partial<Settings>): void {
    assert(this.resolved === undefined, 'settings are argued about before they are read')
    this.settingArguments = settings
  }

  cairn(): Promise<CairnApi> {
    this.opening ??= this.config().then(({ settings, origins }) => {
      const { home, logLevel, gc, backlogSize: backlogBytes, metadataTtl: refreshMs, auditKeyFile } = settings
      const actor = this.actorArgument ?? settings.actor
      const reason = this.streams.env['CAIRN_REASON']
      // What is not said stays as it was said before.
      const cacheSize = origins.cacheSize.from === 'default' ? undefined : settings.cacheSize
      return this.openCairn({
        ...keySettings(settings),
        home,
        logLevel,
        gc,
        cacheSize,
        backlogBytes,
        refreshMs,
        ...(actor === undefined ? {} : { actor }),
        ...(reason === undefined || reason === '' ? {} : { reason }),
        ...(auditKeyFile === undefined ? {} : { auditKeyFile }),
        ...(this.commandLine === undefined ? {} : { commandLine: this.commandLine }),
      })
    })
    return this.opening
  }

  /** Where an operand leads. @throws CairnError EROFS where the settings allow no change */
  async locate(text: string, rules: PlaceRules = {}): Promise<Place> {
    const place = await this.places.locate(text, rules)
    if (rules.writes === true && place.kind !== 'host' && place.kind !== 'stdio') await this.refuseReadOnly()
    return place
  }

  /** For commands that change or remove what is there. @throws CairnError EROFS where the settings allow no change */
  async refuseReadOnly(): Promise<void> {
    const { settings, origins } = await this.config()
    if (!settings.readOnly) return
    throw new CairnError('EROFS', 'The settings allow no change of volumes (readOnly).', `Change that in ${origins.readOnly.name ?? 'the settings'}.`)
  }

  /** From here on nothing in volumes is changed. */
  readsOnly(): void {
    this.onlyReads = true
  }

  volume(name: string, ref?: string): Promise<OpenVolume> {
    return this.places.volume(name, ref)
  }

  private async openVolume(name: string, ref?: string): Promise<OpenVolume> {
    return this.helped(async () => (await this.cairn()).open(name, { ...(ref !== undefined && { ref }), ...(this.onlyReads && { mode: 'readonly' }) }))
  }

  /** Runs `work`; an unknown volume or checkpoint in its failure gets the nearest one that exists. */
  async helped<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw await this.withNearest(error)
    }
  }

  private async withNearest(error: unknown): Promise<unknown> {
    if (!(error instanceof CairnError) || error.code !== 'ERR_VOLUME_UNKNOWN') return error
    const wanted = /["'`«“]([^"'`»”]+)["'`»”]/.exec(error.message)?.[1] ?? /volume (\S+?)[.,]?( |$)/i.exec(error.message)?.[1]
    if (wanted === undefined || error.remedy.includes('ean')) return error
    const names = await this.volumeNames()
    // Known here, and deleted where it is.
    if (names.includes(wanted)) return error
    const close = nearest(wanted, names)
    const remedy = existsSync(wanted)
      ? `The file of the host is ./${wanted}.`
      : close !== undefined
        ? `Did you mean ${close}?`
        : names.length === 0
          ? `Make it with \`cairn init ${wanted}\`.`
          : '`cairn volumes` lists those there are.'
    return new CairnError(error.code, error.message, remedy, { exitCode: error.exitCode, cause: error })
  }

  private async volumeNames(): Promise<string[]> {
    try {
      return (await (await this.cairn()).volumes()).map(volume => volume.name)
    } catch {
      return []
    }
  }

  /** The volume and ref of an operand: `VOL[@REF]`, the default volume, or a directory in a mount. A path is refused. */
  async volumeRef(text: string | undefined): Promise<{ volume: string; ref?: string }> {
    if (text !== undefined && looksLikeHostPath(text)) return { volume: (await this.mountAt(text)).name }
    const fallback = text === undefined || text === '' || text.startsWith('@') ? await this.defaultVolume() : undefined
    return parseVolumeRef((text ?? '').replace(/:\/?$/, ''), fallback)
  }

  /** As volumeRef, with a path: `VOL[@REF][:/path]`, or a path in a mounted directory. */
  async side(text: string): Promise<{ volume: string; ref?: string; path?: string }> {
    if (looksLikeHostPath(text) || (await this.places.isPlainName(text))) {
      const { name, path } = await this.mountAt(text)
      return { volume: name, path }
    }
    const split = text.indexOf(':/')
    const side = await this.volumeRef(split < 0 ? text : text.slice(0, split))
    return split < 0 ? side : { ...side, path: text.slice(split + 1) }
  }

  /** As volumeRef, without a ref. */
  async volumeName(text: string | undefined): Promise<string> {
    const { volume, ref } = await this.volumeRef(text)
    if (ref !== undefined)
      throw usageError(
        `This command takes a volume as it is now, not ${volume}@${ref}.`,
        `Write ${volume}, or make a volume of that state with \`cairn fork\`.`,
      )
    return volume
  }

  /** CAIRN_VOLUME, `cairn use`, the configuration, or the mount of the current directory. */
  private async defaultVolume(): Promise<string | undefined> {
    if (mountOf(process.cwd()) !== undefined) return (await this.mountAt('.')).name
    return (await this.config()).settings.volume
  }

  /** The mount that holds a path of the host. @throws CairnError ERR_NOT_MOUNTED */
  async mountAt(path: string): Promise<MountInfo & { path: string }> {
    let real = resolve(path)
    const stale = mountOf(real)
    if (stale === undefined) {
      try {
        real = realpathSync(real)
      } catch {}
    }
    const kernel = mountOf(real)
    const status = kernel && (await (await this.cairn()).status())
    const mount = status?.server.mounts.find(one => one.mountpoint === kernel?.path)
    if (mount === undefined) {
      throw new CairnError('ERR_NOT_MOUNTED', `${path} lies in no mounted volume of this home.`, 'Name a volume; `cairn status` lists what is mounted where.')
    }
    const below = real.slice(mount.mountpoint.length)
    return { ...mount, path: `${(mount.sub ?? '').replace(/\/$/, '')}${below}` || '/' }
  }

  /** Prints a result: as JSON with --json, else the lines that `text` makes of it. */
  async result(value: unknown, text: () => readonly string[]): Promise<void> {
    if (this.json) await this.out.write(`${JSON.stringify(value, null, 2)}\n`)
    else await this.out.lines(text())
  }

  /** Prints a failure: one line on stderr, or the same as JSON on stdout. Returns the exit code. */
  async failure(error: unknown): Promise<number> {
    const told = tell(error)
    if (this.streams.env['CAIRN_DEBUG'] && error instanceof Error) this.out.note(error.stack ?? String(error))
    if (this.json) await this.out.write(`${JSON.stringify({ error: { code: told.code, message: told.message, remedy: told.remedy } })}\n`)
    else this.complain(told)
    return told.exitCode
  }

  /** The same for commands that run others. */
  async notRun(error: unknown): Promise<number> {
    const code = await this.failure(error)
    return code > 2 ? code : NOT_RUN
  }

  private complain(told: Told): void {
    this.out.note(`cairn: ${told.message}${told.remedy === '' ? '' : ` ${told.remedy}`}`)
  }

  /**
   * Runs `work` for each operand as the commands of a shell do: a failure of one is reported and the others still run.
   * With --json the first failure ends it. Returns the exit code.
   */
  async each(operands: readonly string[], rules: PlaceRules, work: (place: Place) => Promise<void>): Promise<number> {
    let code = 0
    for (const operand of operands) {
      let place: Place | undefined
      try {
        place = await this.locate(operand, rules)
        await work(place)
      } catch (error) {
        const named = place === undefined ? error : about(error, place.prefix, place.path, rules.writes === true)
        if (this.json || operands.length === 1) throw named
        code = Math.max(code, await this.failure(named))
      }
    }
    return code
  }

  async close(): Promise<void> {
    await this.places.close()
    if (this.opening !== undefined) {
      const cairn = await this.opening.catch(() => undefined)
      const { unpublished } = (await cairn?.close()) ?? { unpublished: [] }
      for (const { name, problem = '' } of unpublished)
        this.out.note(`cairn: What changed in ${name} is kept here and not published yet: ${problem} Run \`cairn flush ${name}\` later.`)
    }
  }
}
