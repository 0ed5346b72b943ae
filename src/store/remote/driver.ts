import { fileURLToPath } from 'node:url'
import { CairnError } from '../../errors.js'
import { makeFolders } from '../../sys/index.js'
import type { ObjectStore } from '../contract.js'
import { DirectoryStore } from '../directory/index.js'

/** Opens the store that an address names. Runs in the store's own thread. @throws CairnError ERR_STORE_URL */
export async function openDriver(url: string): Promise<ObjectStore> {
  const { protocol } = new URL(url)
  if (protocol === 'file:') {
    const folder = fileURLToPath(url)
    makeFolders(folder)
    return new DirectoryStore(folder, '')
  }
  throw new CairnError('ERR_STORE_URL', `${protocol}// is no kind of store.`, 'Use file:///path.', { exitCode: 2 })
}
