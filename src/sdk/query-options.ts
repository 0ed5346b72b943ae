import type { FindOptions } from './find.js'
import type { AuditOptions, GrepOptions, LogOptions, SearchOptions } from './types.js'
import { aFunction, anyNumber, anything, aSignal, flag, number, oneOf, text, texts, type WantedOptions } from './wanted.js'

const types = ['file', 'directory', 'symlink', 'fifo', 'socket', 'block', 'character']

export const findOptions: WantedOptions<FindOptions> = {
  path: text,
  names: texts('globs'),
  ignoreCase: flag,
  paths: texts('globs'),
  types: value => (Array.isArray(value) && value.every(one => types.includes(one)) ? undefined : `a list of ${types.join(', ')}`),
  minSize: anyNumber,
  maxSize: anyNumber,
  newerMs: anyNumber,
  olderMs: anyNumber,
  minDepth: number(0),
  maxDepth: number(0),
  empty: flag,
  gitignore: flag,
  tags: texts('tags'),
}

export const grepOptions: WantedOptions<GrepOptions> = {
  ref: text,
  path: text,
  globs: texts('globs'),
  gitignore: flag,
  index: flag,
  ignoreCase: flag,
  fixed: flag,
  word: flag,
  invert: flag,
  before: number(0),
  after: number(0),
  maxCount: number(0),
}

export const searchOptions: WantedOptions<SearchOptions> = {
  // It has an error of its own.
  limit: anything,
  ref: text,
  path: text,
  mode: oneOf('words', 'substring'),
  onProgress: aFunction,
}

export const logOptions: WantedOptions<LogOptions> = { limit: number(0), path: text, actor: text, since: text, until: text, counts: flag }

export const auditOptions: WantedOptions<AuditOptions> = {
  limit: number(0),
  sinceMs: anyNumber,
  actor: text,
  exec: text,
  kinds: texts('kinds of entries'),
  follow: flag,
  signal: aSignal,
}
