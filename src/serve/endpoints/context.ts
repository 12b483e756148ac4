import { ApiError } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import type { Host, Lease, ModelPool } from '../model-pool.ts'
import type { SamplingFields } from '../sampling-fields.ts'
import type { Call } from '../service.ts'
import type { AskContext } from '../text/generation.ts'
import type { TextHost } from '../text/text-host.ts'

/** What all endpoints share. */
export interface EndpointContext {
  readonly pool: ModelPool
  readonly limits: ServeLimits
}

/** A loaded language model. Rejects with ApiError where the model is of another kind, before it is loaded. */
export function useText(context: EndpointContext, name: string, call: Call): Promise<Lease & { readonly host: TextHost }> {
  return useKind(context, name, 'text', call) as Promise<Lease & { readonly host: TextHost }>
}

/** Throws ApiError where the model is of another kind, or there is none. */
export function checkKind({ pool }: EndpointContext, name: string, kind: Host['kind']): void {
  const { kind: found } = pool.state(name)
  if (found === kind) return
  const message = `the model '${name}' is of ${found}, and this path wants one of ${kind}`
  throw new ApiError(message, { status: 422, type: 'invalid_request_error', code: 'wrong_model_kind', param: 'model' })
}

export async function useKind(context: EndpointContext, name: string, kind: Host['kind'], call: Call): Promise<Lease> {
  const { pool } = context
  checkKind(context, name, kind)
  call.observer.model(name)
  return pool.use(name, call.signal)
}

type Sharing = Pick<SamplingFields, 'user' | 'safety_identifier' | 'prompt_cache_key'>

/** Tells its parts apart, so that no caller can name another's. */
export function saltOf({ caller }: Call, { user, safety_identifier: identifier, prompt_cache_key: key }: Sharing): string {
  return JSON.stringify([caller, user ?? null, identifier ?? null, key ?? null])
}

export function askContext({ limits }: EndpointContext, host: TextHost, call: Call, fields: Sharing): AskContext {
  return { host, limits, signal: call.signal, salt: saltOf(call, fields), observer: call.observer }
}

export function unixTime(): number {
  return Math.floor(Date.now() / 1000)
}
