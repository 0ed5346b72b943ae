/** The thread of `BlockingClient`. */

import { RpcClient } from '../http/rpc-client.js'
import { workerData } from '../sys/threads.js'
import { toWire } from '../sys/wire-error.js'
import type { BlockingAnswer, BlockingData, BlockingRequest } from './blocking-client.js'

const { socketPath, session, port, answers } = workerData as BlockingData
const count = new Int32Array(answers)
const client = new RpcClient(socketPath, { session })

function answer(message: BlockingAnswer): void {
  port.postMessage(message)
  Atomics.add(count, 0, 1)
  Atomics.notify(count, 0)
}

port.on('message', ({ method, args }: BlockingRequest) => {
  client.call(method, args).then(
    result => answer({ result }),
    error => answer({ error: toWire(error) }),
  )
})
