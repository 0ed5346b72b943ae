export { parsedCall } from './call.js'
export { type ExecHost, exec, openHere } from './exec.js'
export { streamed } from './stream.js'
