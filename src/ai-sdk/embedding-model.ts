import { type EmbeddingModelV3, TooManyEmbeddingValuesForCallError } from '@ai-sdk/provider'
import { embeddingAnswer } from './answers.ts'
import { type Asking, askOnce } from './ask.ts'
import { headerWarnings } from './chat-body.ts'
import { refuseOptions } from './provider-options.ts'

/** A language model's vectors of texts. `most`: texts of a request. */
export function embeddingModel(asking: Asking, modelId: string, most: number): EmbeddingModelV3 {
  const provider = 'nextx.embedding'
  return {
    specificationVersion: 'v3',
    provider,
    modelId,
    maxEmbeddingsPerCall: most,
    supportsParallelCalls: true,
    async doEmbed({ values, abortSignal, headers, providerOptions }) {
      if (values.length > most)
        throw new TooManyEmbeddingValuesForCallError({ provider, modelId, maxEmbeddingsPerCall: most, values })
      refuseOptions(providerOptions)
      const question = { path: '/v1/embeddings', body: { model: modelId, input: values }, signal: abortSignal }
      const { body, raw } = await askOnce(asking, question, embeddingAnswer)
      return {
        embeddings: body.data.map(({ embedding }) => embedding),
        usage: { tokens: body.usage.prompt_tokens },
        response: { body: raw },
        warnings: headerWarnings(headers),
      }
    },
  }
}
