import { type AuditEntry, auditHash, auditPayloadHash, encodeAudit } from '../../codec/index.js'
import { type Clock, limits, type Random } from '../../sys/index.js'
import type { BTree } from '../../tree/index.js'
import type { VolumeInfo } from '../api.js'
import { refusedByDisk } from '../collector.js'
import { putItems } from '../history.js'
import type { HistoryItem } from '../incarnations.js'
import type { LiveSession } from '../live-session.js'
import { entryAt, entryItems, entryKeys } from './entries.js'
import { type AuditEvent, payloadOf } from './event.js'
import type { AuditSigner } from './sign.js'
import { type AuditState, type AuditTip, auditStateItem, firstKept, readAuditState } from './state.js'

export interface AuditChainParts {
  session: LiveSession
  history: () => BTree
  clock: Clock
  random: Random
  /** The volume whose chain it is. */
  info: () => VolumeInfo
  /** Signs each tip, where a key is configured. */
  signer?: (() => AuditSigner) | undefined
}

/**
 * The audit chain of a volume: entries in the history tree, which restore and fork leave alone, each with the hash of the one before. What this returns as
 * recorded is in the journal: it survives SIGKILL. A fork goes on from the entries of its source with one that says so.
 */
export class AuditChain {
  readonly #parts: AuditChainParts

  constructor(parts: AuditChainParts) {
    this.#parts = parts
  }

  /** Undefined when nothing was recorded yet, not by what it was forked from either. */
  get state(): AuditState | undefined {
    return readAuditState(this.#parts.history())
  }

  /**
   * Records events, in one batch. O(1): some records, 0.5 to 2 KiB.
   * @returns the last entry
   * @throws CairnError of a full disk; EROFS for a volume that another host writes. Nothing is recorded then
   */
  append(...events: AuditEvent[]): AuditTip {
    const { session } = this.#parts
    session.look()
    const { items, tip } = this.next(events)
    putItems(session, items)
    const result = session.commit()
    if (result !== 0) throw refusedByDisk('The audit entry could not be recorded', result)
    return tip
  }

  /** The records of the next entries, for a batch of the history that has no others of the chain. */
  next(events: readonly AuditEvent[]): { items: HistoryItem[]; tip: AuditTip } {
    const { info, history } = this.#parts
    const before = this.state
    const { id } = info()
    const items: HistoryItem[] = []
    const state: AuditState = before ?? { volume: id, begun: 0, sequence: 0, hash: '00'.repeat(32), timeMs: 0 }
    if (before?.volume !== id) this.#begin(state, items, before)
    for (const event of events) this.#add(state, event, items)
    this.#drop(state, history(), items)
    const tip = { sequence: state.sequence, hash: state.hash }
    const signer = this.#parts.signer?.()
    if (signer !== undefined) state.signed = { ...tip, volume: id, ...signer.sign('tip', id, tip) }
    items.push(auditStateItem(state))
    return { items, tip }
  }

  /** The first entry of a volume's own. */
  #begin(state: AuditState, items: HistoryItem[], source: AuditState | undefined): void {
    const { id, name, parent } = this.#parts.info()
    const from = {
      ...(parent === undefined ? {} : { volume: parent.id, name: parent.volume, commit: parent.commit }),
      ...(source === undefined ? {} : { volume: source.volume, sequence: source.sequence, hash: source.hash }),
    }
    state.volume = id
    state.begun = state.sequence + 1
    this.#add(state, { kind: 'begin', detail: { volume: id, name, ...(Object.keys(from).length === 0 ? {} : { from }) } }, items)
  }

  #add(state: AuditState, event: AuditEvent, items: HistoryItem[]): void {
    const { clock, random, session } = this.#parts
    const payload = payloadOf({ ...event, actor: event.actor ?? session.actor }, random)
    const entry: AuditEntry = {
      previous: Buffer.from(state.hash, 'hex'),
      payloadHash: auditPayloadHash(payload),
      // In order, whatever the clock does.
      timeMs: Math.max(clock.now(), state.timeMs),
      payload,
    }
    state.sequence++
    state.hash = auditHash(entry).toString('hex')
    state.timeMs = entry.timeMs
    items.push(...entryItems(state.sequence, encodeAudit(entry)))
  }

  /** Makes room: the chain then begins with a gap, of which it says how far it goes and with which hash it ended. */
  #drop(state: AuditState, history: BTree, items: HistoryItem[]): void {
    const first = firstKept(state)
    if (state.sequence - first < limits.auditEntries) return
    const last = first + limits.auditDropAtOnce - 1
    const next = entryAt(history, last + 1)
    if (next === undefined) return
    for (let sequence = first; sequence <= last; sequence++) for (const key of entryKeys(history, sequence)) items.push({ key })
    const dropped = { sequence: last, hash: Buffer.from(next.previous).toString('hex') }
    const signer = this.#parts.signer?.()
    state.dropped = { ...dropped, ...(signer === undefined ? {} : { by: { volume: state.volume, ...signer.sign('gap', state.volume, dropped) } }) }
    this.#add(state, { kind: 'gap', detail: dropped }, items)
  }
}
