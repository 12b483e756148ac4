import { type EmbeddingModelV3, type ImageModelV3, type LanguageModelV3, NoSuchModelError, type ProviderV3 } from '@ai-sdk/provider'
import { OptionError } from '../base/errors.ts'
import { serveLimits } from '../serve/limits.ts'
import type { ServiceOptions } from '../serve/open-service.ts'
import type { ModelState, Service } from '../serve/service.ts'
import type { Asking } from './ask.ts'
import { embeddingModel } from './embedding-model.ts'
import { imageModel } from './image-model.ts'
import { chatModel, completionModel } from './language-model.ts'

/** A provider over a service of the caller's, or over one of its own, which is opened when it is first needed. */
export type NextxOptions = ({ readonly service: Service } | ServiceOptions) & {
  /** Requests share kept states with those of the same caller only. Default ''. */
  readonly caller?: string
}

/** Models of this process for the AI SDK. Called with a name, it gives the language model of that name. */
export interface NextxProvider extends ProviderV3, AsyncDisposable {
  (modelId: string): LanguageModelV3
  /** A model that converses. Throws the SDK's NoSuchModelError. */
  languageModel(modelId: string): LanguageModelV3
  /** The same. */
  chat(modelId: string): LanguageModelV3
  /** A model that continues a text: for those without a chat template. */
  completionModel(modelId: string): LanguageModelV3
  /** A language model's vectors of texts. */
  embeddingModel(modelId: string): EmbeddingModelV3
  textEmbeddingModel(modelId: string): EmbeddingModelV3
  /** A model of pictures; prompts are names of classes. */
  imageModel(modelId: string): ImageModelV3
  /** Closes the service, if it is the provider's own. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * A provider of the AI SDK (version 6) whose models run in this process, without HTTP. It needs the package @ai-sdk/provider.
 * Throws OptionError when both a service and models are given, or neither.
 * @example
 * const nextx = createNextx({ service })
 * const model = nextx('small')
 */
export function createNextx(options: NextxOptions): NextxProvider {
  const own = ownService(options)
  const asking: Asking = { service: own.service, caller: options.caller ?? '' }
  const limits = serveLimits('limits' in options ? options.limits : undefined)
  const check = (modelId: string, kind: ModelState['kind'], modelType: NoSuchModelError['modelType']) => {
    if (own.has(modelId, kind)) return modelId
    throw new NoSuchModelError({ modelId, modelType })
  }
  const languageModel = (modelId: string) => chatModel(asking, check(modelId, 'text', 'languageModel'))
  const embedding = (modelId: string) => embeddingModel(asking, check(modelId, 'text', 'embeddingModel'), limits.inputs)
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: 'v3' as const,
    languageModel,
    chat: languageModel,
    completionModel: (modelId: string) => completionModel(asking, check(modelId, 'text', 'languageModel')),
    embeddingModel: embedding,
    textEmbeddingModel: embedding,
    imageModel: (modelId: string) => imageModel(asking, check(modelId, 'pictures', 'imageModel'), limits.pictures),
    [Symbol.asyncDispose]: own.close,
  })
}

interface OwnService {
  service(): Promise<Service>
  /** Whether there may be such a model: kinds are known once the service is open. */
  has(name: string, kind: ModelState['kind']): boolean
  close(): Promise<void>
}

function ownService(options: NextxOptions): OwnService {
  if ('service' in options === 'models' in options)
    throw new OptionError('createNextx', { expected: 'either a service, or models to open one over' })
  if ('service' in options) {
    const { service } = options
    return {
      service: async () => service,
      has: (name, kind) => service.models().some((model) => model.name === name && model.kind === kind),
      close: async () => undefined,
    }
  }
  const { caller: _caller, ...serviceOptions } = options
  let opened: Promise<Service> | undefined
  return {
    service() {
      opened ??= open(serviceOptions)
      // A failure is told to those who wait; the next one tries again.
      opened.catch(() => {
        opened = undefined
      })
      return opened
    },
    has: (name) => serviceOptions.models.some((model) => model.name === name),
    async close() {
      const service = await opened?.catch(() => undefined)
      await service?.[Symbol.asyncDispose]()
    },
  }
}

/** Loads what runs models only where models are run. */
async function open(options: ServiceOptions): Promise<Service> {
  const { openService } = await import('../serve/open-service.ts')
  return openService(options)
}
