import type {
  LanguageModelV3CallOptions,
  LanguageModelV3FunctionTool,
  LanguageModelV3ToolChoice,
  SharedV3Headers,
  SharedV3Warning,
} from '@ai-sdk/provider'
import { messagesOf } from './messages.ts'
import { languageFields } from './provider-options.ts'

/** A body of a request, and what of the call it leaves out. */
export interface BodyOf {
  readonly body: Readonly<Record<string, unknown>>
  readonly warnings: SharedV3Warning[]
}

/** A call as the body of a chat completion. Throws errors of the SDK on what cannot be said there. */
export function chatBody(model: string, options: LanguageModelV3CallOptions): BodyOf {
  const warnings = headerWarnings(options.headers)
  const tools = (options.tools ?? []).flatMap((tool) => {
    if (tool.type === 'function') return [functionTool(tool, warnings)]
    warnings.push({ type: 'unsupported', feature: `provider-defined tool ${tool.id}` })
    return []
  })
  const body = {
    model,
    messages: messagesOf(options.prompt, warnings),
    max_completion_tokens: options.maxOutputTokens,
    ...samplingFields(options),
    response_format: responseFormat(options.responseFormat),
    ...(tools.length > 0 && { tools, tool_choice: options.toolChoice && toolChoice(options.toolChoice) }),
    ...languageFields(options.providerOptions),
  }
  return { body: defined(body), warnings }
}

/** What chats and completions have in common. */
export function samplingFields(options: LanguageModelV3CallOptions) {
  return {
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    presence_penalty: options.presencePenalty,
    frequency_penalty: options.frequencyPenalty,
    stop: options.stopSequences?.length === 0 ? undefined : options.stopSequences,
    seed: options.seed,
  }
}

export function defined(body: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
}

/** Headers of a call in this process reach nobody; the SDK's own name among them is no loss. */
export function headerWarnings(headers: SharedV3Headers | Record<string, string | undefined> | undefined): SharedV3Warning[] {
  const lost = Object.keys(headers ?? {}).filter((name) => name.toLowerCase() !== 'user-agent')
  return lost.length === 0
    ? []
    : [{ type: 'unsupported', feature: 'headers', details: `there is no HTTP here: ${lost.join(', ')}` }]
}

function functionTool(
  { name, description, inputSchema, strict, inputExamples }: LanguageModelV3FunctionTool,
  warnings: SharedV3Warning[],
) {
  if (inputExamples !== undefined)
    warnings.push({ type: 'unsupported', feature: 'inputExamples', details: `the model does not see those of the tool '${name}'` })
  return { type: 'function', function: defined({ name, description, parameters: inputSchema, strict }) }
}

function toolChoice(choice: LanguageModelV3ToolChoice): string | object {
  return choice.type === 'tool' ? { type: 'function', function: { name: choice.toolName } } : choice.type
}

function responseFormat(format: LanguageModelV3CallOptions['responseFormat']): object | undefined {
  if (format === undefined || format.type === 'text') return undefined
  const { schema, name = 'response', description } = format
  if (schema === undefined) return { type: 'json_object' }
  const named = name.replace(/[^\w-]/g, '_').slice(0, 64) || 'response'
  return { type: 'json_schema', json_schema: defined({ name: named, description, schema, strict: true }) }
}
