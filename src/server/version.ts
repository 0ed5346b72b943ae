import { readFileSync } from 'node:fs'

/** From package.json, which stands two folders above both in a checkout and in `dist/`. */
export const version: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

/** Changes when a client and a server of different versions could no longer talk. */
export const PROTOCOL = 4
