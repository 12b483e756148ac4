import { BusyError, DisposedError, LimitError } from '../base/errors.ts'
import type { Refusal, SchedulerLimits } from './scheduler.ts'

export function disposed(): DisposedError {
  return new DisposedError('the engine takes no more requests', { expected: 'requests before drain() and disposal' })
}

export function refused(refusal: Refusal, { maxRows, queue }: SchedulerLimits): BusyError | LimitError {
  if (refusal === 'too-long') return new LimitError('the request needs more positions than there are')
  const full = refusal === 'queue-full' ? `${maxRows + queue.requests} requests` : `${queue.tokens} waiting tokens`
  return new BusyError(`the engine has its ${full}`, { fix: 'try again later' })
}
