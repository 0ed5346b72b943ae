import { bestCompression, type Compression } from '../codec/compression.js'
import type { StoreLocation } from './url.js'

/** What pays: where bytes travel, or are paid for, they are compressed; on a disk of this host reading them is faster than unpacking. */
export function compressionFor({ kind }: StoreLocation): Compression {
  switch (kind) {
    case 's3':
    case 'gcs':
    case 'file':
      return bestCompression
    default:
      return 'none'
  }
}
