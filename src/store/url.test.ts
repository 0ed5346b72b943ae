import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CairnError } from '../errors.js'
import { formatStoreUrl, parseStoreUrl } from './url.js'

describe('store URLs', () => {
  it.each([
    ['s3://my-bucket', { kind: 's3', bucket: 'my-bucket', prefix: '' }],
    ['s3://my-bucket/a//b/', { kind: 's3', bucket: 'my-bucket', prefix: 'a/b/' }],
    ['S3://my-bucket/a', { kind: 's3', bucket: 'my-bucket', prefix: 'a/' }],
    ['gs://some_bucket/agents', { kind: 'gcs', bucket: 'some_bucket', prefix: 'agents/' }],
    ['file:///mnt/shared/ws', { kind: 'file', path: '/mnt/shared/ws' }],
    ['file://localhost/mnt/x', { kind: 'file', path: '/mnt/x' }],
    ['sqlite:///data/my%20ws.cairn', { kind: 'sqlite', path: '/data/my ws.cairn' }],
    ['lmdb:///data/ws/', { kind: 'lmdb', path: '/data/ws' }],
    ['/data/./x/../ws', { kind: 'directory', path: '/data/ws' }],
    ['./ws', { kind: 'directory', path: resolve('ws') }],
    ['some/ws', { kind: 'directory', path: resolve('some/ws') }],
    ['memory:', { kind: 'memory' }],
    ['https://my-bucket.s3.us-east-2.amazonaws.com/p', { kind: 's3', bucket: 'my-bucket', prefix: 'p/', region: 'us-east-2' }],
    ['https://s3.eu-west-1.amazonaws.com/my-bucket/p', { kind: 's3', bucket: 'my-bucket', prefix: 'p/', region: 'eu-west-1' }],
    ['https://my.dotted.bucket.s3.amazonaws.com', { kind: 's3', bucket: 'my.dotted.bucket', prefix: '' }],
    ['http://127.0.0.1:9000/work/a', { kind: 's3', bucket: 'work', prefix: 'a/', endpoint: 'http://127.0.0.1:9000', pathStyle: true }],
    [
      'https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/work',
      { kind: 's3', bucket: 'work', prefix: '', endpoint: 'https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com', pathStyle: true },
    ],
    [
      'https://space.nyc3.digitaloceanspaces.com/p',
      { kind: 's3', bucket: 'space', prefix: 'p/', endpoint: 'https://nyc3.digitaloceanspaces.com', pathStyle: false },
    ],
    ['https://storage.googleapis.com/bkt/p', { kind: 'gcs', bucket: 'bkt', prefix: 'p/' }],
  ])('%s', (text, location) => {
    expect(parseStoreUrl(text)).toEqual(location)
  })

  it('takes region, endpoint and path style', () => {
    expect(parseStoreUrl('s3://bkt/p', { region: 'auto', endpoint: 'minio.local:9000', pathStyle: true })).toEqual({
      kind: 's3',
      bucket: 'bkt',
      prefix: 'p/',
      region: 'auto',
      endpoint: 'https://minio.local:9000',
      pathStyle: true,
    })
  })

  it.each([
    ['s3', 'https://my-bucket.s3.us-east-2.amazonaws.com', { kind: 's3', bucket: 'my-bucket', prefix: '', region: 'us-east-2' }],
    ['s3', 'my-bucket/p', { kind: 's3', bucket: 'my-bucket', prefix: 'p/' }],
    ['gcs', 'https://bkt.storage.googleapis.com/p', { kind: 'gcs', bucket: 'bkt', prefix: 'p/' }],
    ['gcs', 'http://127.0.0.1:4443/bkt', { kind: 'gcs', bucket: 'bkt', prefix: '', endpoint: 'http://127.0.0.1:4443' }],
    ['sqlite', '/x/ws.cairn', { kind: 'sqlite', path: '/x/ws.cairn' }],
  ])('--storage %s --bucket %s', (storage, text, location) => {
    expect(parseStoreUrl(text, { storage })).toEqual(location)
  })

  it.each(['s3://bkt', 's3://bkt/a/b', 'gs://bkt/x', 'file:///a%20b', 'sqlite:///x/y', 'lmdb:///z', 'memory:'])('%s is written as it was', text => {
    expect(formatStoreUrl(parseStoreUrl(text))).toBe(text)
  })
})

describe('mistakes', () => {
  function mistake(text: string, options = {}): CairnError {
    try {
      parseStoreUrl(text, options)
    } catch (error) {
      return error as CairnError
    }
    throw new Error(`${text} was taken`)
  }

  it.each([
    ['s4://bkt', 'There is no kind of store "s4".', 'Did you mean s3://?'],
    ['gcs://bkt', 'There is no kind of store "gcs".', 'Did you mean gs://?'],
    ['sqlit:///x', 'There is no kind of store "sqlit".', 'Did you mean sqlite://?'],
    ['ftp://x', 'There is no kind of store "ftp".', 'Write one of s3://'],
    ['s3:/bkt/p', 's3:/ is not followed by a bucket.', 'Write s3://BUCKET/PREFIX.'],
    ['s3:///p', 's3:/// is not followed by a bucket.', 'Write s3://BUCKET/PREFIX.'],
    ['s3://', 'The URL names no bucket.', 'Write one of'],
    ['s3://My_Bucket', '"My_Bucket" is no name of a bucket.', 'Use 3 to 63'],
    ['s3://bkt/a/../b', '".." is no part of a prefix.', 'Use letters'],
    ['s3://bkt?region=x', 'A store URL has no parts behind ? or #.', 'Leave them out'],
    ['file://mnt/x', 'file:// is followed by a relative path or a host.', 'Write file:///PATH'],
    ['sqlite:x.db', 'sqlite: is followed by a relative path or a host.', 'Write sqlite:///PATH'],
    ['lmdb:///a%zz', 'The path has a % that is not followed by two hex digits.', 'Write %25'],
    ['s3//bkt/p', 's3 is not followed by ://.', 'Write one of s3://'],
    ['s3;//bkt/p', 's3 is not followed by ://.', 'Write one of s3://'],
    ['bkt', '"bkt" is the address of no store.', 'or ./bkt for a folder'],
    ['', 'There is no store in an empty name.', 'Write a folder'],
    ['file:///', 'The root of all files is no place for a store.', 'Name a folder'],
    ['https://minio.local:9000', 'The address names no bucket.', 'Put the bucket'],
  ])('%s', (text, message, remedy) => {
    const error = mistake(text)
    expect(error).toMatchObject({ code: 'ERR_STORE_URL', message, exitCode: 2 })
    expect(error.remedy).toContain(remedy)
  })

  it.each(['s3://key:planted@bkt/p', 'https://key:planted@host/bkt', 's3://bkt'])('no password is repeated: %s', text => {
    const error = mistake(text, { endpoint: 'https://key:planted@host' })
    expect(JSON.stringify(error)).not.toContain('planted')
  })

  it('options that do not belong', () => {
    expect(mistake('file:///x', { region: 'us-east-1' }).message).toBe('A store of file has no region, endpoint or path style.')
    expect(mistake('gs://bkt', { region: 'us-east-1' }).message).toBe('A store in GCS has neither region nor path style.')
    const east = 'https://bkt.s3.us-east-2.amazonaws.com'
    expect(mistake(east, { region: 'eu-west-1' }).message).toBe('The address is one of the region us-east-2, and the option says another.')
    expect(parseStoreUrl(east, { region: 'us-east-2' })).toMatchObject({ region: 'us-east-2' })
    expect(mistake('https://minio.local:9000/bkt', { endpoint: 'https://other' }).message).toMatch(
      /^The address is one of the endpoint https:\/\/minio\.local:9000, and/,
    )
    expect(mistake('s3://bkt', { endpoint: 'https://host/path' }).message).toBe('An endpoint is an address without a path.')
  })
})
