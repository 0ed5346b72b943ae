/** What the address of a bucket says: `https://my-bucket.s3.us-east-2.amazonaws.com/prefix`, `https://HOST/BUCKET/PREFIX` … */
export interface EndpointParts {
  bucket: string
  prefix: string
  region?: string
  endpoint?: string
  pathStyle?: boolean
}

/** AWS: `s3.REGION.amazonaws.com`, `s3.amazonaws.com`, `s3-REGION.…`, dual stack; the bucket before it or in the path. */
const AWS = /^(?:(.+)\.)?s3(?:[.-]dualstack)?(?:[.-]([a-z0-9-]+))?\.amazonaws\.com(\.cn)?$/
/** Services whose buckets stand before the name of their host. The group is the region, where the name has it. */
const VIRTUAL: readonly RegExp[] = [
  /^(.+)\.((?:[a-z0-9-]+)\.digitaloceanspaces\.com)$/,
  /^(.+)\.(fly\.storage\.tigris\.dev)$/,
  /^(.+)\.(t3\.storage\.dev)$/,
  /^(.+)\.(s3\.[a-z0-9-]+\.(?:wasabisys|backblazeb2)\.com)$/,
  /^(.+)\.(s3\.[a-z0-9-]+\.scw\.cloud)$/,
  /^(.+)\.([0-9a-f]{32}(?:\.[a-z]+)?\.r2\.cloudflarestorage\.com)$/,
]
const GOOGLE = /^(?:(.+)\.)?storage\.googleapis\.com$/

export function endpointParts(url: URL, scheme: 's3' | 'gs'): EndpointParts {
  const path = url.pathname.split('/').filter(part => part !== '')
  const google = GOOGLE.exec(url.hostname)
  if (scheme === 'gs' && google !== null) return inHost(google[1], path)
  const aws = AWS.exec(url.hostname)
  if (scheme === 's3' && aws !== null) {
    const [, bucket, region, china] = aws
    return {
      ...inHost(bucket, path),
      ...(region !== undefined && { region }),
      ...(china !== undefined && { endpoint: `https://s3.${region}.amazonaws.com.cn` }),
    }
  }
  for (const pattern of scheme === 's3' ? VIRTUAL : []) {
    const [, bucket, host] = pattern.exec(url.hostname) ?? []
    if (bucket !== undefined) return { ...inHost(bucket, path), endpoint: `${url.protocol}//${host}`, pathStyle: false }
  }
  return { ...inHost(undefined, path), endpoint: url.origin, ...(scheme === 's3' && { pathStyle: true }) }
}

function inHost(bucket: string | undefined, path: readonly string[]): { bucket: string; prefix: string } {
  return bucket === undefined ? { bucket: path[0] ?? '', prefix: path.slice(1).join('/') } : { bucket, prefix: path.join('/') }
}
