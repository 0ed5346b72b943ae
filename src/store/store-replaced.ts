import { CairnError } from '../errors.js'

/** @param id of the store that is there now, if there is one */
export function storeReplaced(description: string, id: string | undefined): CairnError {
  const now = id === undefined ? 'there is none any more' : 'another one was made there since'
  return new CairnError(
    'ERR_STORE_REPLACED',
    `${description} is not the store that this CAIRN_HOME knows: ${now}.`,
    'Check bucket, prefix and endpoint. What this host has of the old one is kept; a volume in the new one needs a name that is free here: `cairn init NAME --store …`.',
  )
}
