import {
  type LanguageModelV3Message,
  type LanguageModelV3Prompt,
  type LanguageModelV3ToolCallPart,
  type LanguageModelV3ToolResultPart,
  type SharedV3Warning,
  UnsupportedFunctionalityError,
} from '@ai-sdk/provider'

/** A message of a chat completion. */
export type ChatMessage = Readonly<Record<string, unknown>> & { readonly role: string }

type Part = Exclude<LanguageModelV3Message['content'], string>[number]

/** The messages of a prompt. Throws the SDK's UnsupportedFunctionalityError on files, and on what providers run or approve themselves. */
export function messagesOf(prompt: LanguageModelV3Prompt, warnings: SharedV3Warning[]): ChatMessage[] {
  return prompt.flatMap((message) => messagesFor(message, warnings))
}

function messagesFor(message: LanguageModelV3Message, warnings: SharedV3Warning[]): ChatMessage[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }]
    case 'user':
      return [{ role: 'user', content: message.content.map(textOf).join('') }]
    case 'assistant':
      return [assistantMessage(message.content, warnings)]
    case 'tool':
      return message.content.map(toolMessage)
  }
}

/** Of a part that must be text. */
export function textOf(part: Part): string {
  if (part.type === 'text') return part.text
  throw unsupported(part.type === 'file' ? `files of type ${part.mediaType} in prompts` : `${part.type} in prompts`)
}

function unsupported(functionality: string): UnsupportedFunctionalityError {
  return new UnsupportedFunctionalityError({ functionality })
}

function assistantMessage(parts: readonly Part[], warnings: SharedV3Warning[]): ChatMessage {
  const said = parts.filter(({ type }) => type !== 'reasoning' && type !== 'tool-call')
  if (parts.some(({ type }) => type === 'reasoning'))
    warnings.push({ type: 'unsupported', feature: 'reasoning in prompts', details: 'the model does not see it' })
  const text = said.map(textOf).join('')
  const calls = parts.filter((part) => part.type === 'tool-call').map(callOf)
  if (calls.length === 0) return { role: 'assistant', content: text }
  return { role: 'assistant', content: text === '' ? null : text, tool_calls: calls }
}

function callOf({ toolCallId, toolName, input, providerExecuted }: LanguageModelV3ToolCallPart) {
  if (providerExecuted === true) throw unsupported('tools that the provider executes')
  return { id: toolCallId, type: 'function', function: { name: toolName, arguments: JSON.stringify(input ?? {}) } }
}

function toolMessage(part: Part): ChatMessage {
  if (part.type !== 'tool-result') throw unsupported(`${part.type} in prompts`)
  return { role: 'tool', tool_call_id: part.toolCallId, content: resultOf(part) }
}

function resultOf({ output }: LanguageModelV3ToolResultPart): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value
    case 'json':
    case 'error-json':
      return JSON.stringify(output.value)
    case 'execution-denied':
      return output.reason ?? 'The user did not allow this call.'
    case 'content':
      return output.value
        .map((part) => {
          if (part.type === 'text') return part.text
          throw unsupported(`${part.type} in results of tools`)
        })
        .join('')
  }
}
