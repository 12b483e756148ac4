import * as v from 'valibot'
import { wholeNumber } from '../base/options.ts'

/** Where the queue is. */
export interface BatchQueue {
  /** `redis://host:port`, or `rediss://` over TLS; with user, password and number of the database where they are needed. */
  readonly url: string
  /** Of the queue, the same for batches and workers. Default `nextx-batch`. */
  readonly name?: string
  /** Milliseconds in which Redis must answer at the start. Default 5000. */
  readonly connectTime?: number
}

export const queueField = v.strictObject({
  url: v.string(),
  name: v.optional(v.pipe(v.string(), v.regex(/^[\w.-]{1,100}$/))),
  connectTime: v.optional(wholeNumber(1, 600_000)),
})

/** Called with a sentence when the connection is lost, and when it is back. */
export type Notice = (text: string) => void
