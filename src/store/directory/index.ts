export { DirectoryStore } from './directory-store.js'
export { type OpenDirectoryOptions, openDirectoryStore } from './open.js'
