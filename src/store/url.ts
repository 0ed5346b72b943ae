import { isAbsolute, normalize, resolve } from 'node:path'
import { CairnError } from '../errors.js'
import { type EndpointParts, endpointParts } from './endpoint.js'

export interface S3Location {
  kind: 's3'
  bucket: string
  /** '' or with a slash at its end. */
  prefix: string
  region?: string
  /** Scheme, host and port; missing for AWS. */
  endpoint?: string
  pathStyle?: boolean
}

export interface GcsLocation {
  kind: 'gcs'
  bucket: string
  prefix: string
  /** Missing for Google's own. */
  endpoint?: string
}

/** A folder (`directory`: of this host, under flock; `file`: on a disk that several hosts share, without locks), or a file of SQLite or LMDB. */
export interface PathLocation {
  kind: 'directory' | 'file' | 'sqlite' | 'lmdb'
  path: string
}

export type StoreLocation = S3Location | GcsLocation | PathLocation | { kind: 'memory' }

export interface StoreUrlOptions {
  region?: string
  endpoint?: string
  pathStyle?: boolean
}

const FORMS = 's3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///PATH, sqlite:///PATH or lmdb:///PATH'
const SCHEMES = ['s3', 'gs', 'file', 'sqlite', 'lmdb', 'memory'] as const
/** Other names that people give them. */
const ALIASES: Readonly<Record<string, string>> = { gcs: 'gs', google: 'gs', aws: 's3', r2: 's3', minio: 's3', sqlite3: 'sqlite', local: 'file', dir: 'file' }

/**
 * What a store's URL means; with `storage` (`s3`, `gcs` …) the text may be the address of a bucket (`https://my-bucket.s3.us-east-2.amazonaws.com`).
 * A path without a scheme is a folder.
 * @throws CairnError ERR_STORE_URL with exit code 2, one sentence that does not repeat a password
 */
export function parseStoreUrl(text: string, options: StoreUrlOptions & { storage?: string } = {}): StoreLocation {
  const { storage, ...given } = options
  if (storage !== undefined) return parseStorage(storage, text, given)
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):(\/*)(.*)$/s.exec(text)
  if (match === null) return pathLocation('directory', checkedPath(text), text)
  const [, written, slashes, rest] = match
  const scheme = written.toLowerCase()
  if (scheme === 'http' || scheme === 'https') return byAddress(text, given)
  if (!isScheme(scheme)) throw unknownScheme(scheme)
  if (scheme === 'memory') return { kind: 'memory' }
  if (scheme === 's3' || scheme === 'gs') {
    if (slashes !== '//') throw wrong(`${scheme}:${slashes} is not followed by a bucket`, `Write ${scheme}://BUCKET/PREFIX.`)
    return scheme === 's3' ? s3Location(rest, given) : gcsLocation(rest, given)
  }
  refuseOptions(given, scheme)
  return pathLocation(scheme, fromUrlPath(scheme, slashes, rest), text)
}

/** A path that looks like something else that was meant is written as a path. */
function checkedPath(text: string): string {
  const [, scheme] = /^([a-z0-9]+)\W?\/\//i.exec(text) ?? []
  if (scheme !== undefined) throw wrong(`${scheme} is not followed by ://`, `Write one of ${FORMS}, or ./${text} for a folder.`)
  if (/^[\w-]+$/.test(text)) throw wrong(`"${text}" is the address of no store`, `Write one of ${FORMS}, or ./${text} for a folder.`)
  return text
}

/** The URL that means this place again; without region and endpoint, which have options of their own. */
export function formatStoreUrl(location: StoreLocation): string {
  switch (location.kind) {
    case 's3':
    case 'gcs':
      return `${location.kind === 's3' ? 's3' : 'gs'}://${location.bucket}${location.prefix === '' ? '' : `/${location.prefix.slice(0, -1)}`}`
    case 'memory':
      return 'memory:'
    case 'directory':
      return location.path
    default:
      return `${location.kind}://${location.path.split('/').map(encodeURIComponent).join('/')}`
  }
}

function parseStorage(storage: string, text: string, given: StoreUrlOptions): StoreLocation {
  const scheme = ALIASES[storage.toLowerCase()] ?? storage.toLowerCase()
  if (!isScheme(scheme) || scheme === 'memory') throw unknownScheme(storage)
  if (scheme !== 's3' && scheme !== 'gs') return parseStoreUrl(text.includes('://') ? text : `${scheme}://${resolve(text)}`, given)
  const isAddress = /^https?:\/\//i.test(text)
  if (!isAddress) return parseStoreUrl(text.includes('://') ? text : `${scheme}://${text}`, given)
  return located(scheme, endpointParts(parsed(text), scheme), given)
}

/** An address alone says by its host which service it is. */
function byAddress(text: string, given: StoreUrlOptions): StoreLocation {
  const url = parsed(text)
  return located(url.hostname.endsWith('googleapis.com') ? 'gs' : 's3', endpointParts(url, url.hostname.endsWith('googleapis.com') ? 'gs' : 's3'), given)
}

function located(scheme: 's3' | 'gs', { bucket, prefix, ...place }: EndpointParts, given: StoreUrlOptions): StoreLocation {
  if (bucket === '')
    throw wrong('The address names no bucket', 'Put the bucket into the path, as in https://HOST/BUCKET, or write s3://BUCKET with `--endpoint`.')
  for (const what of ['region', 'endpoint'] as const) {
    const [own, other] = [place[what], given[what]]
    if (own !== undefined && other !== undefined && own !== other)
      throw wrong(`The address is one of the ${what} ${own}, and the option says another`, `Leave the ${what} out, or write s3://BUCKET/PREFIX.`)
  }
  const rest = prefix === '' ? bucket : `${bucket}/${prefix}`
  return scheme === 's3' ? s3Location(rest, { ...place, ...given }) : gcsLocation(rest, { ...place, ...given })
}

function s3Location(rest: string, { region, endpoint, pathStyle }: StoreUrlOptions): S3Location {
  const { bucket, prefix } = bucketAndPrefix(rest)
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    throw wrong(`${JSON.stringify(bucket)} is no name of a bucket`, 'Use 3 to 63 lower-case letters, digits, dots and hyphens.')
  if (region !== undefined && !/^[a-z0-9-]+$/i.test(region)) throw wrong(`${JSON.stringify(region)} is no region`, 'Name one such as us-east-1.')
  return {
    kind: 's3',
    bucket,
    prefix,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint: checkedEndpoint(endpoint) }),
    ...(pathStyle !== undefined && { pathStyle }),
  }
}

function gcsLocation(rest: string, { endpoint, region, pathStyle }: StoreUrlOptions): GcsLocation {
  if (region !== undefined || pathStyle === true) throw wrong('A store in GCS has neither region nor path style', 'Leave these options out.')
  const { bucket, prefix } = bucketAndPrefix(rest)
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket))
    throw wrong(`${JSON.stringify(bucket)} is no name of a bucket`, 'Use lower-case letters, digits, dots, hyphens and underscores.')
  return { kind: 'gcs', bucket, prefix, ...(endpoint !== undefined && { endpoint: checkedEndpoint(endpoint) }) }
}

function bucketAndPrefix(rest: string): { bucket: string; prefix: string } {
  if (rest.includes('@'))
    throw wrong('A store URL holds no credentials', 'Leave out what stands before the @; credentials come from the environment, a profile or a role.')
  if (/[?#]/.test(rest)) throw wrong('A store URL has no parts behind ? or #', 'Leave them out; region, endpoint and path style are options.')
  const [bucket, ...parts] = rest.split('/')
  if (bucket === '') throw wrong('The URL names no bucket', `Write one of ${FORMS}.`)
  const kept = parts.filter(part => part !== '')
  const bad = kept.find(part => part === '.' || part === '..' || !/^[A-Za-z0-9._%=+-]{1,200}$/.test(part))
  if (bad !== undefined) throw wrong(`${JSON.stringify(bad)} is no part of a prefix`, 'Use letters, digits, ".", "_", "%", "=", "+" and "-", joined by "/".')
  if (kept.join('/').length > 200) throw wrong('The prefix is longer than 200 characters', 'Choose a shorter one.')
  return { bucket, prefix: kept.map(part => `${part}/`).join('') }
}

/** The path of `file:///a/b` is /a/b; `file://a/b` would name a host. */
function fromUrlPath(scheme: string, slashes: string, rest: string): string {
  if (slashes.length === 2 || slashes.length === 0) {
    const isLocal = slashes.length === 2 && rest.startsWith('localhost/')
    if (!isLocal)
      throw wrong(`${scheme}:${slashes} is followed by a relative path or a host`, `Write ${scheme}:///PATH, with three slashes and the whole path.`)
  }
  const encoded = slashes.length === 2 ? rest.slice('localhost'.length) : `/${rest}`
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw wrong('The path has a % that is not followed by two hex digits', 'Write %25 for a percent sign.')
  }
}

function pathLocation(kind: PathLocation['kind'], path: string, text: string): PathLocation {
  if (path === '' || text === '') throw wrong('There is no store in an empty name', `Write a folder, or one of ${FORMS}.`)
  if (path.includes('\0')) throw wrong('The path holds a null byte', 'Leave it out.')
  const whole = normalize(isAbsolute(path) ? path : resolve(path))
  const clean = whole.length > 1 && whole.endsWith('/') ? whole.slice(0, -1) : whole
  if (clean === '/') throw wrong('The root of all files is no place for a store', 'Name a folder or file below it.')
  return { kind, path: clean }
}

function refuseOptions({ region, endpoint, pathStyle }: StoreUrlOptions, scheme: string): void {
  if (region !== undefined || endpoint !== undefined || pathStyle !== undefined)
    throw wrong(`A store of ${scheme} has no region, endpoint or path style`, 'Leave these options out, or use s3://.')
}

function checkedEndpoint(text: string): string {
  const url = parsed(/^https?:\/\//i.test(text) ? text : `https://${text}`)
  if (url.username !== '' || url.password !== '') throw wrong('An endpoint holds no credentials', 'Leave out what stands before the @.')
  if (url.pathname !== '/' || url.search !== '')
    throw wrong('An endpoint is an address without a path', 'Write it as https://HOST:PORT, and the bucket in the URL of the store.')
  return url.origin
}

function parsed(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw wrong('The address of the service does not read', 'Write it as https://HOST:PORT.')
  }
  if (url.username !== '' || url.password !== '')
    throw wrong('A store URL holds no credentials', 'Leave out what stands before the @; credentials come from the environment, a profile or a role.')
  return url
}

function isScheme(text: string): text is (typeof SCHEMES)[number] {
  return (SCHEMES as readonly string[]).includes(text)
}

function unknownScheme(scheme: string): CairnError {
  const meant = ALIASES[scheme] ?? SCHEMES.find(known => isNear(scheme, known))
  const remedy = meant === undefined ? `Write one of ${FORMS}.` : `Did you mean ${meant}://? The forms are ${FORMS}.`
  return wrong(`There is no kind of store ${JSON.stringify(scheme)}`, remedy)
}

/** One letter more, less or other, or two that changed places. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  if ([...a].sort().join('') === [...b].sort().join('')) return true
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) at++
  return [a.slice(at + 1) === b.slice(at + 1), a.slice(at + 1) === b.slice(at), a.slice(at) === b.slice(at + 1)].includes(true)
}

function wrong(what: string, remedy: string): CairnError {
  return new CairnError('ERR_STORE_URL', `${what}.`, remedy, { exitCode: 2 })
}
