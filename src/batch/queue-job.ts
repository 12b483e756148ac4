import * as v from 'valibot'
import { type BatchRequest, batchUrls, jsonObject } from './batch-line.ts'

/** What a job of the queue carries: JSON, checked by the worker, for whoever reaches Redis can write there. */
export const jobSchema = v.strictObject({
  /** The batch whose lines share kept states. */
  batch: v.pipe(v.string(), v.uuid()),
  id: v.pipe(v.string(), v.regex(/^batch_req_[0-9a-f]{32}$/)),
  custom_id: v.pipe(v.string(), v.minLength(1), v.maxLength(512)),
  method: v.literal('POST'),
  url: v.picklist(batchUrls),
  body: jsonObject,
})

export type JobData = v.InferOutput<typeof jobSchema>

export const jobName = 'line'

export function jobOf(batch: string, request: BatchRequest): JobData {
  return { batch, ...request }
}

/** The same for the same line of the same batch: Redis has it once. */
export function jobId(batch: string, index: number): string {
  return `${batch}-${index}`
}

/** The line of a job of this batch; undefined for other jobs. */
export function lineOf(batch: string, id: string): number | undefined {
  const digits = id.startsWith(`${batch}-`) ? id.slice(batch.length + 1) : ''
  return /^\d+$/.test(digits) ? Number(digits) : undefined
}
