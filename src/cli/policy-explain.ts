export { explain as run } from './policy-check.js'
