import type * as S3 from '@aws-sdk/client-s3'
import { limits } from '../../sys/index.js'
import type { Agents } from '../http/agents.js'
import { optionalPackage } from '../optional.js'
import { renewCredentials } from './renewal.js'

export type Sdk = typeof S3
export type Client = S3.S3Client

export interface ClientOptions {
  region?: string
  endpoint?: string
  pathStyle?: boolean
}

/** AWS takes requests for a bucket of unknown region here and says where it is. */
const ANY_REGION = 'us-east-1'

/** @throws CairnError ERR_DRIVER_MISSING */
export function loadSdk(): Sdk {
  // It would print a notice on standard error about versions of Node that later releases of it want.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  return optionalPackage<Sdk>('@aws-sdk/client-s3', 'A store in S3')
}

/** As far as it is known without the profile. */
export function givenRegion({ region }: ClientOptions): string | undefined {
  return region ?? fromEnvironment('AWS_REGION') ?? fromEnvironment('AWS_DEFAULT_REGION')
}

/**
 * A client that makes each request once: retries are `wrap/retry.ts`. Credentials come from the SDK's own chain: environment, profile, web identity,
 * container, instance.
 */
export function createClient(sdk: Sdk, options: ClientOptions, { httpAgent, httpsAgent }: Agents): Client {
  const region = givenRegion(options)
  const client = new sdk.S3Client({
    ...(region !== undefined && { region }),
    // Where the profile may have one, the SDK looks it up; else AWS is asked, and an endpoint of one's own mostly does not care.
    ...(region === undefined && fromEnvironment('AWS_PROFILE') === undefined && { region: ANY_REGION, followRegionRedirects: true }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.pathStyle !== undefined && { forcePathStyle: options.pathStyle }),
    maxAttempts: 1,
    // The signature covers the SHA-256 of what is sent already, on every server; further checksums are unknown to some.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It would cost a round trip per large object.
    expectContinueHeader: false,
    customUserAgent: 'cairn',
    requestHandler: { httpAgent, httpsAgent, connectionTimeout: limits.storeConnectMs, socketTimeout: limits.storeIdleMs },
    logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent },
    ...(READ_ANEW as object),
  })
  renewCredentials(client)
  return client
}

/** For the providers of credentials: their files are read when they are looked for, not only once in a process. */
const READ_ANEW = { ignoreCache: true }

function silent(): void {}

function fromEnvironment(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}
