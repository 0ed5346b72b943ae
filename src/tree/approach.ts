import type { BTree } from './btree.js'
import { bytesOf, type Page } from './page.js'
import { childIndex } from './search.js'

/**
 * Brings into memory the pages that lead to keys, of several trees, level by level: those of one level come together where pages are far away, so that all
 * takes as many waits as the deepest tree has levels. Costs a look-up for each key where they are near.
 * @throws CorruptError, and what the page source throws
 */
export function approach(keys: ReadonlyArray<{ tree: BTree; key: Uint8Array }>): void {
  let found: Array<{ tree: BTree; key: Uint8Array; page: Page }> = keys.map(({ tree, key }) => ({ tree, key, page: tree.root }))
  while (found.length > 0) {
    for (const { tree, page } of found) tree.cache.prefetch(page)
    const next: typeof found = []
    for (const { tree, key, page } of found) {
      tree.cache.bytes(page)
      if (page.level > 0) next.push({ tree, key, page: tree.cache.kid(page, childIndex(bytesOf(page), page.n, key, key.length)) })
    }
    found = next
  }
}
