import { Cipher } from '../../../src/codec/cipher.js'
import { type Coding, plainCoding } from '../../../src/codec/coding.js'
import { wrapKey } from '../../../src/codec/wrapped-key.js'
import type { StoreInfo } from '../../../src/store/store-info.js'
import type { KeySource } from '../../../src/store/user-key.js'
import { openedObject } from '../../../src/store/wrap/sealed-store.js'
import type { Random } from '../../../src/sys/index.js'

export const STORE_ID = '00000000000000aa'

/** How the store of a simulation is written: encrypted, or not. */
export interface Secret {
  readonly info: StoreInfo
  readonly keys: readonly KeySource[]
  readonly coding: Coding
}

export function noSecret(): Secret {
  return { info: { id: STORE_ID }, keys: [], coding: plainCoding }
}

export function newSecret(random: Random): Secret {
  const key = Buffer.from(random.bytes(32))
  const dataKey = random.bytes(32)
  return {
    info: { id: STORE_ID, encryption: wrapKey(dataKey, { bytes: key }, STORE_ID, random) },
    keys: [{ key: key.toString('hex'), from: 'the simulation' }],
    coding: { compression: 'none', cipher: new Cipher(dataKey, random) },
  }
}

/** What an object says, as it is stored. */
export function plainBytes({ coding }: Secret, key: string, bytes: Uint8Array): Uint8Array {
  return openedObject(coding.cipher, key, { bytes: Buffer.from(bytes), version: '' })?.bytes ?? bytes
}
