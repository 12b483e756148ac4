import {
  type ImageModelV3,
  type ImageModelV3CallOptions,
  type SharedV3Warning,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider'
import { imageAnswer } from './answers.ts'
import { type Asking, askOnce } from './ask.ts'
import { defined, headerWarnings } from './chat-body.ts'
import { imageFields } from './provider-options.ts'

/** A model of pictures, whose prompt is the name of a class. `most`: pictures of a request. */
export function imageModel(asking: Asking, modelId: string, most: number): ImageModelV3 {
  return {
    specificationVersion: 'v3',
    provider: 'nextx.image',
    modelId,
    maxImagesPerCall: most,
    async doGenerate(options) {
      const { prompt, n, size, seed, abortSignal, providerOptions } = options
      const warnings = warningsOf(options)
      const body = defined({ model: modelId, prompt, n, size, seed, ...imageFields(providerOptions) })
      const question = { path: '/v1/images/generations', body, signal: abortSignal }
      const { body: answer } = await askOnce(asking, question, imageAnswer)
      return {
        images: answer.data.map(({ b64_json }) => b64_json),
        warnings,
        response: { timestamp: new Date(answer.created * 1000), modelId, headers: undefined },
      }
    },
  }
}

function warningsOf({ aspectRatio, files, mask, headers }: ImageModelV3CallOptions): SharedV3Warning[] {
  if (files !== undefined || mask !== undefined) throw new UnsupportedFunctionalityError({ functionality: 'pictures in prompts' })
  const warnings = headerWarnings(headers)
  if (aspectRatio !== undefined)
    warnings.push({ type: 'unsupported', feature: 'aspectRatio', details: 'give a size, where the model has a choice' })
  return warnings
}
