import * as v from 'valibot'
import { shortened, wholeNumber } from '../../base/options.ts'
import type { ChatMessage } from '../../tokenizers/index.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { checkStream, samplingFields } from '../sampling-fields.ts'
import type { Conversation } from '../text/conversation.ts'
import { formOf, responseFormat } from '../text/output-form.ts'
import { type ToolChoice, toolName, toolParameters } from '../text/tools.ts'

const parts = v.array(v.strictObject({ type: v.literal('text', 'only parts of text are supported'), text: v.string() }))
const content = v.union([v.string(), parts], 'expected a text, or a list of parts of text')

const calls = v.pipe(
  v.array(
    v.strictObject({
      id: v.string(),
      type: v.optional(v.literal('function'), 'function'),
      function: v.strictObject({ name: v.string(), arguments: v.string() }),
    }),
  ),
  v.minLength(1),
)

const name = v.optional(v.nullable(v.string()))

const message = v.variant('role', [
  v.strictObject({ role: v.picklist(['system', 'developer', 'user']), content, name }),
  v.strictObject({
    role: v.literal('assistant'),
    content: v.optional(v.nullable(content)),
    name,
    refusal: v.optional(v.null()),
    tool_calls: v.optional(calls),
  }),
  v.strictObject({ role: v.literal('tool'), content, tool_call_id: v.string() }),
])

export const functionTool = v.strictObject({
  type: v.literal('function'),
  function: v.strictObject({
    name: toolName,
    description: v.optional(v.string()),
    parameters: v.optional(toolParameters),
    /** Arguments are always valid. */
    strict: v.optional(v.nullable(v.boolean())),
  }),
})

const toolChoice = v.union([
  v.picklist(['none', 'auto', 'required']),
  v.strictObject({ type: v.literal('function'), function: v.strictObject({ name: v.string() }) }),
])

export function chatSchema(limits: ServeLimits) {
  const tokens = wholeNumber(1, limits.answerTokens)
  return v.strictObject({
    ...samplingFields(limits),
    messages: v.pipe(v.array(message), v.minLength(1), v.maxLength(limits.messages)),
    max_completion_tokens: v.optional(tokens),
    max_tokens: v.optional(tokens),
    logprobs: v.optional(v.boolean(), false),
    top_logprobs: v.optional(wholeNumber(0, limits.topLogProbs)),
    response_format: v.optional(responseFormat),
    tools: v.optional(v.array(functionTool), []),
    tool_choice: v.optional(toolChoice),
    parallel_tool_calls: v.optional(v.boolean()),
    /** The only ones that there are. */
    modalities: v.optional(v.pipe(v.array(v.literal('text')), v.minLength(1))),
    service_tier: v.optional(v.picklist(['auto', 'default'])),
    /** Of stored answers; these are not, and neither is this. */
    metadata: v.optional(v.pipe(v.record(v.string(), v.string()), v.maxEntries(16))),
    /** Nothing is stored. */
    store: v.optional(v.literal(false)),
  })
}

export type ChatSchema = ReturnType<typeof chatSchema>
export type ChatBody = v.InferOutput<ChatSchema>

/** What a request says, in the form that all conversations have. Throws ApiError where fields do not go together. */
export function readConversation(body: ChatBody): Conversation {
  checkStream(body)
  if (body.max_tokens !== undefined && body.max_completion_tokens !== undefined)
    throw invalid('max_tokens', 'max_tokens and max_completion_tokens say the same thing')
  if (body.top_logprobs !== undefined && !body.logprobs) throw invalid('top_logprobs', 'top_logprobs do nothing without logprobs')
  return {
    messages: body.messages.map(templateMessage),
    tools: body.tools.map(({ function: { name: called, description, parameters } }) => ({ name: called, description, parameters })),
    toolChoice: choiceOf(body),
    parallel: body.parallel_tool_calls !== false,
    form: formOf(body, body.response_format),
    fields: body,
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    topLogProbs: body.top_logprobs === 0 ? undefined : body.top_logprobs,
  }
}

function choiceOf({ tools, tool_choice: choice, parallel_tool_calls: parallel }: ChatBody): ToolChoice {
  if (parallel !== undefined && tools.length === 0) throw invalid('parallel_tool_calls', 'parallel calls of no tools')
  if (choice === undefined) return tools.length === 0 ? 'none' : 'auto'
  return typeof choice === 'object' ? { name: choice.function.name } : choice
}

type Message = ChatBody['messages'][number]

/** As templates take it: texts instead of parts, arguments of calls as values. */
export function templateMessage(given: Message): ChatMessage {
  const { role } = given
  const text = given.content === null || given.content === undefined ? null : textOf(given.content)
  if (role === 'tool') return { role, content: text, tool_call_id: given.tool_call_id }
  const named = typeof given.name === 'string' ? { name: given.name } : {}
  if (role !== 'assistant') return { role: role === 'developer' ? 'system' : role, content: text, ...named }
  const made = given.tool_calls
  if (text === null && made === undefined) throw invalid('messages', 'an assistant message has neither content nor tool_calls')
  if (made === undefined) return { role, content: text, ...named }
  return { role, content: text ?? '', ...named, tool_calls: made.map(templateCall) }
}

function textOf(given: v.InferOutput<typeof content>): string {
  return typeof given === 'string' ? given : given.map(({ text }) => text).join('')
}

function templateCall({ id, type, function: { name: called, arguments: given } }: v.InferOutput<typeof calls>[number]) {
  try {
    return { id, type, function: { name: called, arguments: JSON.parse(given) as unknown } }
  } catch {
    throw invalid('messages', `the arguments of a call of '${shortened(called, 64)}' are no JSON`)
  }
}
