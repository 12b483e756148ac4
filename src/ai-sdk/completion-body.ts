import { type LanguageModelV3CallOptions, UnsupportedFunctionalityError } from '@ai-sdk/provider'
import { type BodyOf, defined, headerWarnings, samplingFields } from './chat-body.ts'
import { textOf } from './messages.ts'
import { languageFields } from './provider-options.ts'

/**
 * A call as the body of a completion: one message of the user, whose text is continued. Throws the SDK's UnsupportedFunctionalityError on
 * conversations, tools and schemas.
 */
export function completionBody(model: string, options: LanguageModelV3CallOptions): BodyOf {
  const { prompt, tools = [], responseFormat, providerOptions } = options
  const [first, ...others] = prompt
  if (first?.role !== 'user' || others.length > 0) throw unsupported('conversations')
  if (tools.length > 0) throw unsupported('tools')
  if (responseFormat?.type === 'json') throw unsupported('schemas')
  const { logprobs, ...fields } = languageFields(providerOptions)
  if (logprobs !== undefined) throw unsupported('logprobs')
  const body = {
    model,
    prompt: first.content.map(textOf).join(''),
    max_tokens: options.maxOutputTokens,
    ...samplingFields(options),
    ...fields,
  }
  return { body: defined(body), warnings: headerWarnings(options.headers) }
}

function unsupported(what: string): UnsupportedFunctionalityError {
  return new UnsupportedFunctionalityError({
    functionality: `${what} in completions`,
    message: `a completion model continues one text and knows no ${what}; use languageModel`,
  })
}
