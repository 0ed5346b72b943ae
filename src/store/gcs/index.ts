export { type GcsOptions, GcsStore } from './gcs-store.js'
