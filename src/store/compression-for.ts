import { bestCompression, type Compression } from '../codec/compression.js'
import { CairnError } from '../errors.js'
import type { StoreLocation } from './url.js'

/** What a store is to be compressed with: chosen when it is made, and in its `store.json` from then on. */
export const COMPRESSION_CHOICES = ['auto', 'none', 'brotli', 'zstd'] as const
export type CompressionChoice = (typeof COMPRESSION_CHOICES)[number]

/**
 * What this host writes. `auto` is what pays: where bytes travel, or are paid for, they are compressed; on a disk of this host reading them is faster than unpacking.
 * A runtime without zstd writes brotli, which all read.
 */
export function compressionFor({ kind }: StoreLocation, choice: CompressionChoice = 'auto'): Compression {
  if (choice === 'none' || choice === 'brotli') return choice
  if (choice === 'zstd') return bestCompression
  switch (kind) {
    case 's3':
    case 'gcs':
    case 'file':
      return bestCompression
    default:
      return 'none'
  }
}

/** Bytes are to be packed wherever the store lies. */
export function isPacked(choice: CompressionChoice): boolean {
  return choice !== 'auto' && choice !== 'none'
}

/** @throws CairnError ERR_INVALID_ARG_VALUE */
export function checkCompression(value: string): CompressionChoice {
  const found = COMPRESSION_CHOICES.find(choice => choice === value)
  if (found !== undefined) return found
  throw new CairnError('ERR_INVALID_ARG_VALUE', `There is no compression '${value}'.`, `Name one of ${COMPRESSION_CHOICES.join(', ')}.`, { exitCode: 2 })
}

export function otherCompression(description: string, has: CompressionChoice): CairnError {
  return new CairnError(
    'ERR_STORE_COMPRESSION',
    `The store ${description} is there already, with the compression ${has}.`,
    'Leave --compression out, or give the volume a store of its own, such as another prefix or folder.',
  )
}

export function homeNotCompressed(): CairnError {
  return new CairnError(
    'ERR_STORE_COMPRESSION',
    "The home's own store is shared by all volumes that are in no other one, and is not compressed.",
    'Give the volume a store of its own: `cairn init NAME --store file:///path --compression zstd`.',
    { exitCode: 2 },
  )
}
