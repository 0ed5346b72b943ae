export type { FileSystemOptions } from './context.js'
export * from './filesystem.js'
export * from './mode.js'
export { FileSystem } from './posix.js'
