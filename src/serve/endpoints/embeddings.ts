import * as v from 'valibot'
import { base64Floats } from '../../base/base64.ts'
import { wholeNumber } from '../../base/options.ts'
import type { ServeLimits } from '../limits.ts'
import { readBody } from '../read-body.ts'
import type { Endpoint } from '../service.ts'
import { encodePrompts } from '../text/text-host.ts'
import { type EndpointContext, useText } from './context.ts'
import { duringLease } from './deliver.ts'

const ids = v.pipe(v.array(wholeNumber(0, 2 ** 31 - 1)), v.minLength(1))

function embeddingSchema(limits: ServeLimits) {
  const one = v.union([v.pipe(v.string(), v.minLength(1)), ids])
  return v.strictObject({
    model: v.string(),
    input: v.union(
      [one, v.pipe(v.array(one), v.minLength(1), v.maxLength(limits.inputs))],
      `expected a text, ids, or at most ${limits.inputs} of them`,
    ),
    encoding_format: v.optional(v.picklist(['float', 'base64']), 'float'),
    user: v.optional(v.string()),
  })
}

/** `POST /v1/embeddings`: the mean of a text's last hidden states, of length 1. */
export function embeddings(context: EndpointContext): Endpoint {
  const schema = embeddingSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/embeddings',
    async answer({ body: given }, call) {
      const { model, input, encoding_format: format } = readBody(schema, given)
      const several = Array.isArray(input) && typeof input[0] !== 'number'
      const inputs = (several ? input : [input]) as (string | number[])[]
      const lease = await useText(context, model, call)
      return duringLease(lease, async () => {
        const sequences = await encodePrompts(lease.host, inputs, { param: 'input', limits: context.limits })
        const vectors = await lease.host.embed(sequences, call.signal)
        const tokens = sequences.reduce((sum, { length }) => sum + length, 0)
        call.observer.tokens({ prompt: tokens, cached: 0, generated: 0 }, undefined)
        const data = vectors.map((vector, index) => ({
          object: 'embedding',
          index,
          embedding: format === 'float' ? [...vector] : base64Floats(vector),
        }))
        return { kind: 'json', body: { object: 'list', model, data, usage: { prompt_tokens: tokens, total_tokens: tokens } } }
      })
    },
  }
}
