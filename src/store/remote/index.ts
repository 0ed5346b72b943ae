export { type OpenRemoteOptions, openRemoteStore } from './open.js'
export { RemoteStore, type RemoteStoreOptions } from './remote-store.js'
