export { untag as run } from './tag.js'
