export { type EtagQuotes, type S3Options, S3Store } from './s3-store.js'
