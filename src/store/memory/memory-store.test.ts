import { describe, it } from 'vitest'
import { localStoreCases, storeCases } from '../../testing/store-suite.js'
import { MemoryStore } from './memory-store.js'

describe('memory store', () => {
  for (const { name, run } of storeCases) {
    it(name, async () => {
      const store = new MemoryStore()
      await run({ store, again: () => store })
    })
  }
  for (const { name, run } of localStoreCases) it(name, () => run(new MemoryStore()))
})
