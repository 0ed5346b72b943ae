import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { HttpProxyAgent } from 'http-proxy-agent'
import type { HttpsProxyAgent } from 'https-proxy-agent'
import { CairnError } from '../../errors.js'
import { limits } from '../../sys/index.js'
import { optionalPackage } from '../optional.js'
import { Straight } from './straight.js'

export interface Agents {
  httpAgent: HttpAgent
  httpsAgent: HttpsAgent
  /** For answers that are received in memory that is given for them; not where a proxy is between. */
  straight?: Straight
}

/**
 * Connections that are kept and used again, through the proxy that the environment names for this address (HTTPS_PROXY, HTTP_PROXY, NO_PROXY, in
 * capitals or not).
 * @throws CairnError ERR_STORE_PROXY for a proxy that is no address; ERR_DRIVER_MISSING
 */
export function agentsFor(endpoint: string): Agents {
  const options = { keepAlive: true, maxSockets: limits.storeConnections, noDelay: true }
  const proxy = proxyFor(endpoint)
  if (proxy === undefined)
    return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent(options), ...(RECEIVES_ANYWHERE && { straight: new Straight() }) }
  const http = optionalPackage<{ HttpProxyAgent: typeof HttpProxyAgent }>('http-proxy-agent', 'A proxy')
  const https = optionalPackage<{ HttpsProxyAgent: typeof HttpsProxyAgent }>('https-proxy-agent', 'A proxy')
  return {
    httpAgent: new http.HttpProxyAgent(proxy, options) as unknown as HttpAgent,
    httpsAgent: new https.HttpsProxyAgent(proxy, options) as unknown as HttpsAgent,
  }
}

/** Ends connections. */
export function closeAgents({ httpAgent, httpsAgent, straight }: Agents): void {
  httpAgent.destroy()
  httpsAgent.destroy()
  straight?.close()
}

/** Whether a socket takes memory to receive in, which is asked for anew before each read. */
const RECEIVES_ANYWHERE = process.versions['bun'] === undefined

/** The proxy for an address; undefined when there is none. */
export function proxyFor(endpoint: string): URL | undefined {
  const { protocol, hostname, port } = new URL(endpoint)
  const isHttps = protocol === 'https:'
  const text = variable(isHttps ? 'https_proxy' : 'http_proxy') ?? variable('all_proxy')
  if (text === undefined || isExempt(hostname, port === '' ? (isHttps ? '443' : '80') : port)) return undefined
  try {
    const proxy = new URL(text.includes('://') ? text : `http://${text}`)
    if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy
  } catch {
    // Said below, without the text: it may hold a password.
  }
  const name = isHttps ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  throw new CairnError('ERR_STORE_PROXY', `${name} does not name a proxy.`, `Set ${name} to http://HOST:PORT, or unset it.`)
}

/** NO_PROXY: names that mean their subdomains too, with a port or without, `*` for all. */
function isExempt(hostname: string, port: string): boolean {
  const entries = (variable('no_proxy') ?? '').toLowerCase().split(/[\s,]+/)
  return entries.some(entry => {
    if (entry === '*') return true
    const [, name, only] = /^\*?\.?(.+?)(?::(\d+))?$/.exec(entry) ?? []
    if (name === undefined || (only !== undefined && only !== port)) return false
    return hostname === name || hostname.endsWith(`.${name}`)
  })
}

function variable(name: string): string | undefined {
  const value = process.env[name] ?? process.env[name.toUpperCase()]
  return value === undefined || value === '' ? undefined : value
}
