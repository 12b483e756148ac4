import type { PooledModel } from '../model-pool.ts'
import type { Endpoint } from '../service.ts'
import type { EndpointContext } from './context.ts'

/** `GET /v1/models`. */
export function models({ pool }: EndpointContext, created: number): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models',
    answer: async () => ({ kind: 'json', body: { object: 'list', data: pool.states().map((state) => described(state, created)) } }),
  }
}

/** `GET /v1/models/:model`. */
export function model({ pool }: EndpointContext, created: number): Endpoint {
  return {
    method: 'GET',
    path: '/v1/models/:model',
    answer: async ({ parameters }) => ({ kind: 'json', body: described(pool.state(parameters.model ?? ''), created) }),
  }
}

function described({ name, kind, host }: PooledModel, created: number) {
  return { id: name, object: 'model', created, owned_by: 'nextx', kind, loaded: host !== undefined }
}
