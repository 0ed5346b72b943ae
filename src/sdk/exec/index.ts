export { parsedCall } from './call.js'
export { type ExecHost, exec, openHere } from './exec.js'
export { race } from './race.js'
export { streamed } from './stream.js'
