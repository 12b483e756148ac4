import * as v from 'valibot'
import { base64 } from '../../base/base64.ts'
import { wholeNumber } from '../../base/options.ts'
import type { Pictures } from '../../base/pictures.ts'
import { encodePng } from '../../formats/index.ts'
import type { GenerateImagesOptions } from '../../systems/index.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import type { PictureHost } from '../picture-host.ts'
import { readBody } from '../read-body.ts'
import type { Endpoint } from '../service.ts'
import { type EndpointContext, unixTime, useKind } from './context.ts'
import { duringLease } from './deliver.ts'

const one = v.union([v.string(), wholeNumber(0)])
const share = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1))
const most = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1000))

function imagesSchema(limits: ServeLimits) {
  return v.strictObject({
    model: v.string(),
    /** The name of a class: models of pictures know no other words. */
    prompt: v.optional(v.string()),
    /** One class for all, or one for each picture; names, or labels. */
    class: v.optional(v.union([one, v.pipe(v.array(one), v.minLength(1), v.maxLength(limits.pictures))])),
    n: v.optional(wholeNumber(1, limits.pictures)),
    size: v.optional(v.pipe(v.string(), v.regex(/^\d{1,4}x\d{1,4}$/, "expected width x height, such as '28x28'"))),
    response_format: v.optional(v.literal('b64_json', "pictures come as 'b64_json', no urls")),
    output_format: v.optional(v.literal('png', "pictures come as 'png'")),
    seed: v.optional(wholeNumber(0)),
    guidance: v.optional(most),
    temperature: v.optional(most),
    top_k: v.optional(wholeNumber(1)),
    top_p: v.optional(share),
    steps: v.optional(wholeNumber(1, 1000)),
    user: v.optional(v.string()),
  })
}

type ImagesBody = v.InferOutput<ReturnType<typeof imagesSchema>>

/** `POST /v1/images/generations`. */
export function images(context: EndpointContext): Endpoint {
  const schema = imagesSchema(context.limits)
  return {
    method: 'POST',
    path: '/v1/images/generations',
    async answer({ body: given }, call) {
      const body = readBody(schema, given)
      if (body.prompt !== undefined && body.class !== undefined) throw invalid('class', 'prompt and class both name a class')
      const lease = await useKind(context, body.model, 'pictures', call)
      return duringLease(lease, async () => {
        const host = lease.host as PictureHost
        const pictures = await host.draw(optionsOf(body, host), call.signal)
        return {
          kind: 'json',
          body: { created: unixTime(), data: pngs(pictures), size: `${pictures.width}x${pictures.height}`, output_format: 'png' },
        }
      })
    },
  }
}

/** Fields, and the options that methods take or do not. */
const optional = {
  size: 'size',
  guidance: 'guidance',
  temperature: 'temperature',
  top_k: 'topK',
  top_p: 'topP',
  steps: 'steps',
} as const

/** Throws ApiError on fields that the model's method does not take; its own size it always makes. */
function optionsOf(body: ImagesBody, host: PictureHost): GenerateImagesOptions {
  const { prompt, class: wanted, n: count, seed = crypto.getRandomValues(new Uint32Array(1))[0]! } = body
  const given = Object.entries(optional).flatMap(([field, option]) => {
    const value = body[field as keyof typeof optional]
    if (value === undefined || (field === 'size' && value === host.size)) return []
    if (!host.options.includes(option))
      throw invalid(field, `the model '${body.model}' does not take '${field}'`, 'unsupported_field')
    return [[option, typeof value === 'string' ? sizeOf(value) : value]]
  })
  const classes = prompt ?? wanted
  return { ...Object.fromEntries(given), ...(classes !== undefined && { classes }), ...(count !== undefined && { count }), seed }
}

function sizeOf(text: string): [height: number, width: number] {
  const [width, height] = text.split('x').map(Number)
  return [height!, width!]
}

function pngs(pictures: Pictures): { readonly b64_json: string }[] {
  return Array.from({ length: pictures.count }, (_, i) => ({ b64_json: base64(encodePng(pictures, i)) }))
}
