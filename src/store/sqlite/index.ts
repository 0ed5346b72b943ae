export { openSqliteStore } from './open.js'
export { SqliteStore, type SqliteStoreOptions } from './sqlite-store.js'
