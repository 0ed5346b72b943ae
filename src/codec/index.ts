export * from './attr.js'
export * from './dirhash.js'
export * from './keys.js'
export * from './pointer.js'
