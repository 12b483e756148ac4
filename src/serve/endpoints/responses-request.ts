import * as v from 'valibot'
import { wholeNumber } from '../../base/options.ts'
import { invalid } from '../api-error.ts'
import type { ServeLimits } from '../limits.ts'
import { readBody } from '../read-body.ts'
import { samplingFields } from '../sampling-fields.ts'
import type { Conversation } from '../text/conversation.ts'
import { flatFormat, type ResponseFormat } from '../text/output-form.ts'
import { toolName, toolParameters } from '../text/tools.ts'
import { type ChatSchema, readConversation } from './chat-request.ts'

const textPart = v.strictObject({
  type: v.picklist(['input_text', 'output_text', 'text']),
  text: v.string(),
  annotations: v.optional(v.array(v.unknown())),
  logprobs: v.optional(v.array(v.unknown())),
})
const content = v.union([v.string(), v.array(textPart)], 'expected a text, or a list of parts of text')
const status = v.optional(v.nullable(v.string()))
const id = v.optional(v.nullable(v.string()))

const item = v.union(
  [
    v.strictObject({
      type: v.optional(v.literal('message')),
      role: v.picklist(['system', 'developer', 'user', 'assistant']),
      content,
      id,
      status,
    }),
    v.strictObject({ type: v.literal('function_call'), call_id: v.string(), name: v.string(), arguments: v.string(), id, status }),
    v.strictObject({
      type: v.literal('function_call_output'),
      call_id: v.string(),
      output: v.union([v.string(), v.array(textPart)]),
      id,
      status,
    }),
  ],
  'expected a message, a function_call or a function_call_output, of text alone',
)

type Item = v.InferOutput<typeof item>

export function responsesSchema(limits: ServeLimits) {
  const { stop: _stop, n: _n, stream_options: _options, logit_bias: _bias, ...fields } = samplingFields(limits)
  return v.strictObject({
    ...fields,
    input: v.union(
      [v.string(), v.pipe(v.array(item), v.minLength(1), v.maxLength(limits.messages))],
      'expected a text, or a list of messages and calls, of text alone',
    ),
    instructions: v.optional(v.string()),
    max_output_tokens: v.optional(wholeNumber(1, limits.answerTokens)),
    text: v.optional(v.strictObject({ format: v.optional(flatFormat) })),
    tools: v.optional(
      v.array(
        v.strictObject({
          type: v.literal('function'),
          name: toolName,
          description: v.optional(v.nullable(v.string())),
          parameters: v.optional(v.nullable(toolParameters)),
          strict: v.optional(v.nullable(v.boolean())),
        }),
      ),
      [],
    ),
    tool_choice: v.optional(
      v.union([v.picklist(['none', 'auto', 'required']), v.strictObject({ type: v.literal('function'), name: v.string() })]),
    ),
    parallel_tool_calls: v.optional(v.boolean()),
    top_logprobs: v.optional(wholeNumber(0, limits.topLogProbs)),
    include: v.optional(v.array(v.literal('message.output_text.logprobs'))),
    metadata: v.optional(v.pipe(v.record(v.string(), v.string()), v.maxEntries(16)), {}),
    /** Nothing is stored, so that no response can be gone on from. */
    store: v.optional(v.literal(false, 'responses are not stored: send store: false, and the whole conversation as input')),
    truncation: v.optional(v.literal('disabled')),
    service_tier: v.optional(v.picklist(['auto', 'default'])),
    stream_options: v.optional(v.strictObject({ include_obfuscation: v.optional(v.literal(false)) })),
  })
}

export type ResponsesBody = v.InferOutput<ReturnType<typeof responsesSchema>>

/** The same as a request of chat completions, whose checks hold for it. */
export function conversationOf(body: ResponsesBody, schema: ChatSchema): Conversation {
  const {
    model,
    input,
    instructions,
    text,
    tools,
    tool_choice: choice,
    include = [],
    metadata: _metadata,
    truncation: _truncation,
    ...others
  } = body
  const withLogProbs = include.length > 0
  if (body.top_logprobs !== undefined && !withLogProbs)
    throw invalid('top_logprobs', "top_logprobs do nothing without include: ['message.output_text.logprobs']")
  const { stream: _stream, stream_options: _options, max_output_tokens: most, top_logprobs: top, ...sampling } = others
  const chat = {
    ...sampling,
    model,
    messages: [...(instructions === undefined ? [] : [{ role: 'system', content: instructions }]), ...messagesOf(input)],
    ...(most !== undefined && { max_completion_tokens: most }),
    ...(withLogProbs && { logprobs: true, ...(top !== undefined && { top_logprobs: top }) }),
    ...(text?.format && { response_format: nested(text.format) }),
    tools: tools.map(({ type, strict: _strict, name, description, parameters }) => ({
      type,
      function: { name, ...(description && { description }), ...(parameters && { parameters }) },
    })),
    ...(choice !== undefined && {
      tool_choice: typeof choice === 'string' ? choice : { type: 'function', function: { name: choice.name } },
    }),
  }
  return readConversation(readBody(schema, chat))
}

function nested(format: v.InferOutput<typeof flatFormat>): ResponseFormat {
  if (format.type !== 'json_schema') return format
  const { type, ...schema } = format
  return { type, json_schema: schema }
}

function messagesOf(input: string | readonly Item[]): object[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }]
  const messages: { role: string; content: string | null; tool_calls?: object[]; tool_call_id?: string }[] = []
  for (const each of input) {
    if (each.type === 'function_call') {
      const made = { id: each.call_id, type: 'function', function: { name: each.name, arguments: each.arguments } }
      const last = messages.at(-1)
      if (last?.role === 'assistant') last.tool_calls = [...(last.tool_calls ?? []), made]
      else messages.push({ role: 'assistant', content: null, tool_calls: [made] })
    } else if (each.type === 'function_call_output')
      messages.push({ role: 'tool', content: joined(each.output), tool_call_id: each.call_id })
    else messages.push({ role: each.role, content: joined(each.content) })
  }
  return messages
}

function joined(given: v.InferOutput<typeof content>): string {
  return typeof given === 'string' ? given : given.map(({ text }) => text).join('')
}
