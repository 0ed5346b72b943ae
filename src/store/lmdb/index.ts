export { LmdbStore, type LmdbStoreOptions } from './lmdb-store.js'
export { openLmdbStore } from './open.js'
