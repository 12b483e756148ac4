import {
  InvalidResponseDataError,
  type LanguageModelV3,
  type LanguageModelV3CallOptions,
  type LanguageModelV3Content,
  type LanguageModelV3GenerateResult,
  type LanguageModelV3StreamResult,
} from '@ai-sdk/provider'
import { chatAnswer, completionAnswer, finishOf, logprobMetadata, metadataOf, usageOf } from './answers.ts'
import { type Asking, ask, askOnce, callError } from './ask.ts'
import { type BodyOf, chatBody } from './chat-body.ts'
import { completionBody } from './completion-body.ts'
import { chatGrowth, completionGrowth, type Growth, partsOf, streamOf } from './stream-parts.ts'

/** The path of a service that answers calls, and how its requests and answers look. */
interface Dialect {
  readonly kind: 'chat' | 'completion'
  readonly path: string
  body(model: string, options: LanguageModelV3CallOptions): BodyOf
  growth(data: unknown): Growth
  generate(asking: Asking, question: DialectQuestion): Promise<Omit<LanguageModelV3GenerateResult, 'warnings' | 'request'>>
}

interface DialectQuestion {
  readonly path: string
  readonly body: object
  readonly signal: AbortSignal | undefined
}

const chat: Dialect = {
  kind: 'chat',
  path: '/v1/chat/completions',
  body: chatBody,
  growth: chatGrowth,
  async generate(asking, question) {
    const { body, raw } = await askOnce(asking, question, chatAnswer)
    const { message, logprobs, finish_reason } = body.choices[0]!
    const calls = message.tool_calls ?? []
    const content: LanguageModelV3Content[] = calls.map(({ id, function: called }) => ({
      type: 'tool-call',
      toolCallId: id,
      toolName: called.name,
      input: called.arguments,
    }))
    if (message.content) content.unshift({ type: 'text', text: message.content })
    return {
      content,
      finishReason: finishOf(finish_reason),
      usage: usageOf(body.usage),
      ...logprobMetadata(logprobs?.content ?? undefined),
      response: { ...metadataOf(body), body: raw },
    }
  },
}

const completion: Dialect = {
  kind: 'completion',
  path: '/v1/completions',
  body: completionBody,
  growth: completionGrowth,
  async generate(asking, question) {
    const { body, raw } = await askOnce(asking, question, completionAnswer)
    const { text, finish_reason } = body.choices[0]!
    return {
      content: text === '' ? [] : [{ type: 'text', text }],
      finishReason: finishOf(finish_reason),
      usage: usageOf(body.usage),
      response: { ...metadataOf(body), body: raw },
    }
  },
}

/** A language model of a service, as the SDK drives it: with conversations. */
export function chatModel(asking: Asking, modelId: string): LanguageModelV3 {
  return languageModel(asking, modelId, chat)
}

/** A language model of a service that continues the text it is given. */
export function completionModel(asking: Asking, modelId: string): LanguageModelV3 {
  return languageModel(asking, modelId, completion)
}

function languageModel(asking: Asking, modelId: string, dialect: Dialect): LanguageModelV3 {
  const { kind, path } = dialect
  return {
    specificationVersion: 'v3',
    provider: `nextx.${kind}`,
    modelId,
    // The SDK downloads what a model does not take by its address. Nothing is downloaded here: such parts are refused, whatever they are.
    supportedUrls: { '*/*': [/.*/] },
    async doGenerate(options): Promise<LanguageModelV3GenerateResult> {
      const { body, warnings } = dialect.body(modelId, options)
      const result = await dialect.generate(asking, { path, body, signal: options.abortSignal })
      return { ...result, request: { body }, warnings }
    },
    async doStream(options): Promise<LanguageModelV3StreamResult> {
      const { body: once, warnings } = dialect.body(modelId, options)
      const body = { ...once, stream: true, stream_options: { include_usage: true } }
      const question = { path, body, signal: options.abortSignal }
      const answer = await ask(asking, question)
      if (answer.kind !== 'events')
        throw new InvalidResponseDataError({ data: answer.body, message: `'${path}' answers without a stream` })
      const { growth } = dialect
      const parts = partsOf(answer.events, { warnings, raw: options.includeRawChunks === true, growth })
      const errorOf = (error: unknown): unknown => (InvalidResponseDataError.isInstance(error) ? error : callError(error, question))
      return { stream: streamOf(parts, { signal: options.abortSignal, errorOf }), request: { body } }
    },
  }
}
